#include "base/object.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <fstream>
#include <iterator>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "base/env.h"
#include "base/error.h"

namespace {

std::string bytes_of(const std::string& name) {
  std::ifstream file(std::string(FLAGOS_TEST_OBJECTS) + "/" + name + ".o", std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

double scale(double value, double factor) { return value * factor; }
double outside_factor = 100;

uint64_t resolve(void*, const char* name) {
  if (std::strcmp(name, "scale") == 0) return reinterpret_cast<uint64_t>(&scale);
  if (std::strcmp(name, "outside_factor") == 0) return reinterpret_cast<uint64_t>(&outside_factor);
  return 0;
}

std::unique_ptr<fl::Object> load(const std::string& name, fl_symbol_resolver resolver = resolve,
                                 void* context = nullptr) {
  const std::string image = bytes_of(name);
  return fl::Object::load(image.data(), image.size(), name, resolver, context);
}

template <class Function>
Function* function(const fl::Object& object, const char* name) {
  return reinterpret_cast<Function*>(object.find(name));
}

// The permissions of the mapping that holds an address ("r-xp"), "" when there is none.
std::string permissions(const void* address) {
  std::ifstream maps("/proc/self/maps");
  const auto wanted = reinterpret_cast<uint64_t>(address);
  for (std::string line; std::getline(maps, line);) {
    uint64_t first = 0, last = 0;
    char mode[5] = "";
    if (std::sscanf(line.c_str(), "%lx-%lx %4s", &first, &last, mode) == 3 && wanted >= first && wanted < last)
      return mode;
  }
  return "";
}

int pages_writable_and_executable() {
  std::ifstream maps("/proc/self/maps");
  int count = 0;
  for (std::string line; std::getline(maps, line);) count += line.find(" rwx") != std::string::npos ? 1 : 0;
  return count;
}

fl_status status_of_loading(const std::string& image, std::string* text = nullptr) {
  return fl::guarded([&] {
    try {
      fl::Object::load(image.data(), image.size(), "given", resolve, nullptr);
    } catch (const fl::Error& error) {
      if (text != nullptr) *text = error.what();
      throw;
    }
  });
}

TEST(Object, calls_functions_and_reads_data_of_this_process) {
  const auto object = load("calls");
  EXPECT_EQ(function<double(int)>(*object, "scaled")(3), 350.0);
  outside_factor = 2;
  EXPECT_EQ(function<double(int)>(*object, "scaled")(7), 15.0);
  outside_factor = 100;
}

TEST(Object, jump_tables_constants_and_pointers_to_text_work) {
  const auto object = load("calls");
  auto* choose = function<int(int, int)>(*object, "choose");
  EXPECT_EQ(choose(0, 50), 51);
  EXPECT_EQ(choose(1, 50), 150);
  EXPECT_EQ(choose(2, 50), 43);
  EXPECT_EQ(choose(3, 50), 50 ^ 21);
  EXPECT_EQ(choose(4, 50), 25);
  EXPECT_EQ(choose(5, 50), 800);
  EXPECT_EQ(choose(6, 0), 7);
  EXPECT_STREQ(function<const char*(int)>(*object, "name_of")(2), "two");
  EXPECT_EQ((function<int (*(void))(int, int)>(*object, "chooser")()), choose);
}

TEST(Object, data_starts_as_written_and_bss_as_zero_in_each_load) {
  for (int round = 0; round < 2; ++round) {
    const auto object = load("calls");
    EXPECT_EQ(function<double(double)>(*object, "count")(2), 42.0);
    EXPECT_EQ(*static_cast<double*>(object->find("counter")), 42.0);
    EXPECT_EQ(function<double()>(*object, "sum_of_zeros")(), 1000.0);
  }
}

TEST(Object, a_weak_symbol_that_nobody_has_is_null_and_a_strong_one_is_an_error) {
  EXPECT_EQ(function<int()>(*load("calls"), "has_hook")(), 0);
  const auto hook = [](void*, const char* name) {
    return std::strcmp(name, "missing_hook") == 0 ? reinterpret_cast<uint64_t>(&scale) : resolve(nullptr, name);
  };
  EXPECT_EQ(function<int()>(*load("calls", hook), "has_hook")(), 1);
  try {
    load("calls", nullptr);
    FAIL() << "loaded without its symbols";
  } catch (const fl::Error& error) {
    EXPECT_EQ(error.status(), FL_UNSUPPORTED);
    EXPECT_NE(std::string(error.what()).find("'calls'"), std::string::npos) << error.what();
    EXPECT_TRUE(std::string(error.what()).find("symbol 'scale'") != std::string::npos ||
                std::string(error.what()).find("symbol 'outside_factor'") != std::string::npos)
        << error.what();
  }
}

TEST(Object, the_resolver_sees_its_context_and_each_open_symbol) {
  std::map<std::string, int> asked;
  const auto record = [](void* context, const char* name) {
    ++(*static_cast<std::map<std::string, int>*>(context))[name];
    return resolve(nullptr, name);
  };
  load("calls", record, &asked);
  EXPECT_EQ(asked, (std::map<std::string, int>{{"scale", 1}, {"outside_factor", 1}, {"missing_hook", 1}}));
}

TEST(Object, finds_global_symbols_only) {
  const auto object = load("calls");
  EXPECT_NE(object->find("zeros"), nullptr);
  EXPECT_EQ(object->find("kTable"), nullptr);
  EXPECT_EQ(object->find("scale"), nullptr);
  EXPECT_EQ(object->find(""), nullptr);
}

TEST(Object, absolute_32_bit_addresses_put_it_in_the_low_2_gib) {
  const auto object = load("absolute");
  EXPECT_EQ(function<int(long)>(*object, "value_at")(2), 30);
  EXPECT_EQ(function<int*()>(*object, "address_of_values")(), object->find("values"));
  EXPECT_LT(reinterpret_cast<uint64_t>(object->find("values")), uint64_t{1} << 31);
}

TEST(Object, common_symbols_are_zeroed_aligned_memory) {
  const auto object = load("common");
  EXPECT_EQ(function<int(int)>(*object, "grow")(5), 5);
  EXPECT_EQ(function<int(int)>(*object, "grow")(6), 11);
  double* array = function<double*()>(*object, "array")();
  EXPECT_EQ(reinterpret_cast<uint64_t>(array) % 64, 0u);
  EXPECT_EQ(array, object->find("shared_array"));
  EXPECT_EQ(array[15], 0.0);
}

TEST(Object, sixty_four_bit_displacements_and_page_alignment_hold) {
  const auto object = load("distance");
  EXPECT_EQ(function<int()>(*object, "through_distance")(), 7);
  EXPECT_EQ(reinterpret_cast<uint64_t>(object->find("page")) % 4096, 0u);
}

int throws(int value) { throw value * 2; }
int returns(int value) { return value * 2; }

TEST(Object, exceptions_unwind_through_its_frames) {
  const auto object = load("unwinds");
  auto* call_back = function<int(int (*)(int), int)>(*object, "call_back");
  EXPECT_EQ(call_back(returns, 4), 9);
  try {
    call_back(throws, 21);
    FAIL() << "the exception was lost";
  } catch (int value) {
    EXPECT_EQ(value, 42);
  }
}

TEST(Object, no_page_is_ever_writable_and_executable) {
  int during = -1;
  const auto look = [](void* context, const char* name) {
    *static_cast<int*>(context) = pages_writable_and_executable();
    return resolve(nullptr, name);
  };
  const int before = pages_writable_and_executable();
  const auto object = load("calls", look, &during);
  EXPECT_EQ(during, before);
  EXPECT_EQ(pages_writable_and_executable(), before);
  EXPECT_EQ(permissions(object->find("choose")), "r-xp");
  EXPECT_EQ(permissions(object->find("counter")), "rw-p");
  EXPECT_EQ(permissions(function<const char*(int)>(*object, "name_of")(0)), "r--p");
}

TEST(Object, unloading_gives_the_memory_back) {
  auto object = load("calls");
  const void* code = object->find("choose");
  EXPECT_EQ(object->footprint() % 4096, 0u);
  EXPECT_GE(object->footprint(), 3u * 4096);
  ASSERT_EQ(permissions(code), "r-xp");
  object.reset();
  EXPECT_NE(permissions(code), "r-xp");
}

TEST(Object, eight_threads_load_run_and_unload_at_once) {
  const std::string image = bytes_of("calls");
  std::vector<std::thread> threads;
  std::atomic<int> right{0};
  for (int thread = 0; thread < 8; ++thread) {
    threads.emplace_back([&] {
      for (int round = 0; round < 50; ++round) {
        const auto object = fl::Object::load(image.data(), image.size(), "calls", resolve, nullptr);
        right += function<double(double)>(*object, "count")(2) == 42.0 ? 1 : 0;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(right, 400);
}

TEST(Object, loads_in_a_forked_child) {
  const auto object = load("calls");
  const pid_t child = fork();
  if (child == 0) {
    const auto mine = load("calls");
    const bool good =
        function<int(int, int)>(*mine, "choose")(1, 2) == 6 && function<int(int, int)>(*object, "choose")(1, 2) == 6;
    _exit(good ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

TEST(Object, the_perf_map_names_functions_when_asked) {
  const std::string path = "/tmp/perf-" + std::to_string(getpid()) + ".map";
  unlink(path.c_str());
  load("calls");
  EXPECT_NE(access(path.c_str(), F_OK), 0);
  const fl::env::Scoped scoped({{"FLAGOS_PERF_MAP", "1"}});
  const auto object = load("calls");
  std::ifstream file(path);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  char expected[64];
  std::snprintf(expected, sizeof expected, "%lx ", reinterpret_cast<unsigned long>(object->find("choose")));
  const size_t at = text.find(expected);
  ASSERT_NE(at, std::string::npos) << text;
  EXPECT_NE(text.substr(at, text.find('\n', at) - at).find(" choose"), std::string::npos) << text;
  EXPECT_EQ(text.find("counter"), std::string::npos);
  unlink(path.c_str());
}

struct jit_code_entry {
  jit_code_entry* next_entry;
  jit_code_entry* prev_entry;
  const char* symfile_addr;
  uint64_t symfile_size;
};
struct jit_descriptor {
  uint32_t version;
  uint32_t action_flag;
  jit_code_entry* relevant_entry;
  jit_code_entry* first_entry;
};
extern "C" jit_descriptor __jit_debug_descriptor;

int entries_for_gdb() {
  int count = 0;
  for (auto* entry = __jit_debug_descriptor.first_entry; entry != nullptr; entry = entry->next_entry) ++count;
  return count;
}

TEST(Object, gdb_sees_an_image_while_the_object_lives) {
  const int before = entries_for_gdb();
  auto first = load("calls");
  auto second = load("common");
  EXPECT_EQ(entries_for_gdb(), before + 2);
  EXPECT_EQ(std::memcmp(__jit_debug_descriptor.first_entry->symfile_addr, "\177ELF", 4), 0);
  first.reset();
  EXPECT_EQ(entries_for_gdb(), before + 1);
  second.reset();
  EXPECT_EQ(entries_for_gdb(), before);
}

TEST(Object, thread_local_variables_are_refused_by_name) {
  std::string text;
  EXPECT_EQ(status_of_loading(bytes_of("thread_local"), &text), FL_UNSUPPORTED);
  EXPECT_NE(text.find("thread-local"), std::string::npos) << text;
}

TEST(Object, static_constructors_are_refused_by_name) {
  std::string text;
  EXPECT_EQ(status_of_loading(bytes_of("constructor"), &text), FL_UNSUPPORTED);
  EXPECT_NE(text.find(".init_array runs code at load"), std::string::npos) << text;
}

TEST(Object, each_truncation_is_an_error) {
  const std::string image = bytes_of("calls");
  ASSERT_GT(image.size(), 1000u);
  // The section table stands at the end, so every shorter image lacks a part of it.
  for (size_t size = 0; size < image.size(); size += 7)
    EXPECT_EQ(status_of_loading(image.substr(0, size)), FL_INVALID_ARGUMENT) << size;
}

TEST(Object, what_is_no_object_is_an_error_that_says_so) {
  std::string text;
  EXPECT_EQ(status_of_loading(std::string(200, 'x'), &text), FL_INVALID_ARGUMENT);
  EXPECT_NE(text.find("'given' (200 bytes) is malformed: it does not begin as an ELF file"), std::string::npos) << text;
  std::string executable = bytes_of("calls");
  executable[16] = 2;  // e_type = ET_EXEC
  EXPECT_EQ(status_of_loading(executable, &text), FL_UNSUPPORTED);
  EXPECT_NE(text.find("not a relocatable object"), std::string::npos) << text;
  std::string arm = bytes_of("calls");
  arm[18] = static_cast<char>(0xB7);  // e_machine = EM_AARCH64
  EXPECT_EQ(status_of_loading(arm, &text), FL_UNSUPPORTED);
  EXPECT_NE(text.find("not for x86-64"), std::string::npos) << text;
}

}  // namespace
