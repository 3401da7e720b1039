// An adapter without PyTorch: calls that say what they are and remember who ran them, targets that do as they are told.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "base/env.h"
#include "base/error.h"
#include "base/log.h"
#include "routing/router.h"

namespace fl::routing {

struct FakeCall {
  uint64_t traits = 0;
  uint64_t signature = 1;
  std::vector<std::string> trail = {};  // the targets that were started, in order
  std::string served_by = {};
  double result = 0;
};

// What the adapter throws from `raise`.
struct FakeException : std::runtime_error {
  using std::runtime_error::runtime_error;
};
// What a target's kernel throws.
struct KernelException : std::runtime_error {
  using std::runtime_error::runtime_error;
};

struct FakeTarget {
  std::string name;
  std::string decline = {};  // not empty: declines each call with this reason
  bool remember = false;
  bool throws = false;
  double result = 1;
  std::vector<std::string> lacks = {};  // operators that it has no kernel for
  void (*inside)(FakeCall& call) = nullptr;

  static fl_outcome run(void* data, void* call) {
    const auto& target = *static_cast<FakeTarget*>(data);
    auto& fake = *static_cast<FakeCall*>(call);
    fake.trail.push_back(target.name);
    if (target.throws) throw KernelException("the kernel failed");
    if (!target.decline.empty()) {
      fl_route_decline(target.decline.c_str(), target.remember);
      return FL_ROUTE_DECLINED;
    }
    if (target.inside != nullptr) target.inside(fake);
    fake.served_by = target.name;
    fake.result = target.result;
    return FL_ROUTE_DONE;
  }

  static int32_t serves(void* data, const char* op, const char* driver, char* why, size_t size) {
    for (const std::string& lacking : static_cast<FakeTarget*>(data)->lacks) {
      if (lacking != op) continue;
      snprintf(why, size, "no kernel for %s on %s", op, driver);
      return 0;
    }
    return 1;
  }

  fl_target_info info(uint64_t mask = ~uint64_t{0}) {
    fl_target_info info{};
    info.struct_size = sizeof info;
    info.name = name.c_str();
    info.mask = mask;
    info.run = run;
    info.data = this;
    info.serves = serves;
    return info;
  }
};

inline void emit(fl_text_sink sink, void* context, const std::string& text) { sink(context, text.data(), text.size()); }

inline fl_routing_adapter fake_adapter() {
  fl_routing_adapter adapter{};
  adapter.struct_size = sizeof adapter;
  adapter.traits = [](void* call) { return static_cast<FakeCall*>(call)->traits; };
  adapter.describe = [](void*, fl_text_sink sink, void* context) { emit(sink, context, "float32[2, 3]"); };
  adapter.signature = [](void* call) { return static_cast<FakeCall*>(call)->signature; };
  adapter.shadow = [](void* call, fl_target_run run, void* data, fl_target_run reference, void* reference_data,
                      fl_text_sink sink, void* context, fl_outcome* outcome) -> int32_t {
    FakeCall other;
    *outcome = run(data, call);
    if (*outcome != FL_ROUTE_DONE) return 0;
    reference(reference_data, &other);
    if (other.result == static_cast<FakeCall*>(call)->result) return 0;
    emit(sink, context, "1 of 6 elements differs.");
    return 1;
  };
  adapter.raise = [](fl_status status) {
    EXPECT_EQ(status, FL_UNSUPPORTED);
    throw FakeException(fl_last_error());
  };
  return adapter;
}

// Variables of the process's environment for the length of a test.
class Environment {
 public:
  ~Environment() {
    for (const std::string& name : names_) unsetenv(name.c_str());
    env::read_again();
  }
  void set(const std::string& name, const std::string& value) {
    setenv(name.c_str(), value.c_str(), 1);
    names_.push_back(name);
    env::read_again();
  }

 private:
  std::vector<std::string> names_;
};

// A folder of files for the length of a test.
class Folder {
 public:
  Folder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "flagos-routing-XXXXXX").string();
    path_ = mkdtemp(pattern.data());
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  std::string write(const std::string& name, const std::string& text) const {
    const std::filesystem::path file = path_ / name;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file, std::ios::binary) << text;
    return file.string();
  }
  std::string path(const std::string& name = "") const { return (path_ / name).string(); }

 private:
  std::filesystem::path path_;
};

// The log of a test.
class Log {
 public:
  Log() {
    fl_set_log_sink(
        [](void* self, int32_t level, const char* text) { static_cast<Log*>(self)->records.emplace_back(level, text); },
        this);
  }
  ~Log() { fl_set_log_sink(nullptr, nullptr); }
  std::vector<std::pair<int32_t, std::string>> records;
};

// A router with two drivers, three present targets and an absent one.
class RoutingTest : public testing::Test {
 protected:
  RoutingTest() {
    router.set_adapter(fake_adapter());
    router.declare_driver(0, "host");
    router.declare_driver(1, "sim");
    router.declare_driver(-1, "chip");
    for (FakeTarget* target : {&cpu, &fast, &other}) router.declare_target(target->info());
    fl_target_info absent{};
    absent.struct_size = sizeof absent;
    absent.name = "vendor";
    absent.aliases = "vendor_kernels";
    absent.absent = "the vendor's library is not installed; install it";
    router.declare_target(absent);
    for (const char* name : {"add.Tensor", "add.out", "mm", "mm.out", "__and__.Tensor", "_foreach_add.List"})
      declare(name);
  }

  int32_t declare(const char* name, const char* initial = "cpu", void (*needed)(const char*) = nullptr) {
    const fl_operator_info info{sizeof info, name, initial, needed};
    return ids[name] = router.declare_operator(info);
  }
  const fl_route* route(const std::string& op, int32_t driver = 0) {
    return __atomic_load_n(&router.slot(ids.at(op), driver)->route, __ATOMIC_ACQUIRE);
  }
  FakeCall run(const std::string& op, FakeCall call = {}, int32_t driver = 0) {
    const fl_route* now = route(op, driver);
    EXPECT_EQ(now->run(now, &call), FL_ROUTE_DONE);
    return call;
  }
  std::string failure(const std::string& op, FakeCall call = {}) {
    const fl_route* now = route(op);
    try {
      now->run(now, &call);
    } catch (const FakeException& error) {
      return error.what();
    }
    return "served by " + call.served_by;
  }

  Environment environment;
  FakeTarget cpu{"cpu"};
  FakeTarget fast{"fast"};
  FakeTarget other{"other"};
  std::map<std::string, int32_t> ids;
  Router router;
};

// The text of the Error that `body` throws.
template <class Body>
std::string error_of(Body body) {
  try {
    body();
  } catch (const Error& error) {
    EXPECT_EQ(error.status(), FL_INVALID_ARGUMENT);
    return error.what();
  }
  return "no error";
}

}  // namespace fl::routing
