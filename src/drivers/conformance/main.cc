// flagos-driver-conformance: runs every check against one driver and says what it found, a line a check. It needs no
// PyTorch and nothing of the runtime: what passes here is a driver by the contract in hal.h alone.
#include <dlfcn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <optional>

#include "base/error.h"
#include "base/json.h"
#include "base/text.h"
#include "drivers/conformance/suite.h"
#include "drivers/linked_in.h"

namespace fl::conformance {
namespace {

constexpr char kUsage[] =
    "usage: flagos-driver-conformance [--driver NAME | --library PATH] [--device N] [--json]\n"
    "  --driver NAME   a driver that is linked in (default: host)\n"
    "  --library PATH  a driver library, libflagos_driver_*.so\n"
    "  --device N      the device to test (default: 0)\n"
    "  --json          one JSON object instead of lines\n"
    "status: 0 all passed, 1 a check failed, 2 the driver could not be used\n";

struct Options {
  std::string driver = "host";
  std::string library;
  int32_t device = 0;
  bool json = false;
};

// What could not even be begun; the text goes to stderr, the status is 2.
struct Unusable : std::runtime_error {
  using std::runtime_error::runtime_error;
};

std::string g_driver_name;

const char* option(const char* name) {
  // A driver may be present only when it is named, and here it is.
  if (std::strcmp(name, "FLAGOS_DRIVER") == 0) return g_driver_name.c_str();
  const char* value = nullptr;
  if (fl_env_get(name, &value) != FL_OK) return nullptr;
  return value && *value ? value : nullptr;
}

constexpr fl_driver_host host_table(uint32_t version) {
  return {sizeof(fl_driver_host), version, 0, option, fl_log, fl_parallel_for};
}
const fl_driver_host kHost = host_table(FL_HAL_VERSION);
const fl_driver_host kHostOfAnotherMajor = host_table((FL_HAL_MAJOR + 1) << 16);

Options parse(int count, char** words) {
  Options options;
  bool driver_given = false;
  for (int i = 1; i < count; ++i) {
    const std::string word = words[i];
    const auto value = [&]() -> std::string {
      if (++i == count) throw Unusable(word + " needs a value\n" + kUsage);
      return words[i];
    };
    if (word == "--json") {
      options.json = true;
    } else if (word == "--driver") {
      options.driver = value();
      driver_given = true;
    } else if (word == "--library") {
      options.library = value();
    } else if (word == "--device") {
      const std::string number = value();
      char* end = nullptr;
      options.device = static_cast<int32_t>(std::strtol(number.c_str(), &end, 10));
      if (*end || number.empty()) throw Unusable("--device needs a number, not '" + number + "'\n" + kUsage);
    } else if (word == "--help" || word == "-h") {
      std::fputs(kUsage, stdout);
      std::exit(0);
    } else {
      throw Unusable("unknown argument '" + word + "'\n" + kUsage);
    }
  }
  if (driver_given && !options.library.empty())
    throw Unusable(std::string("--driver or --library, not both\n") + kUsage);
  return options;
}

fl_driver_entry_fn find_entry(const Options& options) {
  if (options.library.empty()) {
    std::string names;
    for (const drivers::LinkedIn& driver : drivers::linked_in()) {
      if (options.driver == driver.name) {
        g_driver_name = driver.name;
        return driver.entry;
      }
      names += std::string(names.empty() ? "" : ", ") + driver.name;
    }
    throw Unusable("no driver '" + options.driver + "' is linked in; there are: " + names + "\n");
  }
  void* const library = dlopen(options.library.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!library) throw Unusable(std::string("the library cannot be opened: ") + dlerror() + "\n");
  void* const entry = dlsym(library, FL_DRIVER_ENTRY_SYMBOL);
  if (!entry) throw Unusable(options.library + " exports no " FL_DRIVER_ENTRY_SYMBOL "\n");
  return reinterpret_cast<fl_driver_entry_fn>(entry);
}

// In a child, because the entry is called once a process; before the driver has made threads.
std::optional<std::string> another_major_is_refused(fl_driver_entry_fn entry) {
  enum { kRefused = 0, kOtherStatus = 1, kNoReason = 2 };
  const pid_t child = fork();
  if (child < 0) return "fork failed";
  if (child == 0) {
    const fl_driver* driver = nullptr;
    char why[512] = "";
    const fl_status status = entry(&kHostOfAnotherMajor, &driver, why, sizeof(why));
    _exit(status != FL_UNSUPPORTED ? kOtherStatus : why[0] ? kRefused : kNoReason);
  }
  int status = 0;
  waitpid(child, &status, 0);
  if (!WIFEXITED(status)) return "the entry crashed when the core had another major version";
  if (WEXITSTATUS(status) == kOtherStatus)
    return "the entry did not answer FL_UNSUPPORTED to a core of another major version";
  if (WEXITSTATUS(status) == kNoReason) return "the entry refused a core of another major version without saying why";
  return std::nullopt;
}

class Report {
 public:
  explicit Report(bool json) : json_(json), writer_(to_stdout, nullptr) {
    if (json_) writer_.begin_object().key("checks").begin_array();
  }
  void add(const char* name, const char* outcome, const std::string& text) {
    ++(std::strcmp(outcome, "ok") == 0 ? passed_ : std::strcmp(outcome, "skipped") == 0 ? skipped_ : failed_);
    if (json_)
      writer_.begin_object().member("name", name).member("outcome", outcome).member("text", text).end_object();
    else
      std::printf("%-7s  %s%s%s\n", outcome, name, text.empty() ? "" : ": ", text.c_str());
    std::fflush(stdout);
  }
  bool failed() const { return failed_ > 0; }
  // The exit status.
  int close(const fl_driver& driver) {
    if (json_) {
      writer_.end_array().member("driver", driver.name).member("version", driver.version);
      writer_.member("passed", passed_).member("skipped", skipped_).member("failed", failed_).end_object();
    } else {
      std::printf("%s %s: %d passed, %d skipped, %d FAILED\n", driver.name, driver.version, passed_, skipped_, failed_);
    }
    return failed_ > 0 ? 1 : 0;
  }

 private:
  static void to_stdout(void*, const char* text, size_t size) { std::fwrite(text, 1, size, stdout); }
  bool json_;
  JsonWriter writer_;
  int passed_ = 0, skipped_ = 0, failed_ = 0;
};

int run(const Options& options) {
  const fl_driver_entry_fn entry = find_entry(options);
  const std::optional<std::string> major = another_major_is_refused(entry);

  const fl_driver* driver = nullptr;
  char why[512] = "";
  const fl_status status = entry(&kHost, &driver, why, sizeof(why));
  if (status != FL_OK) throw Unusable(std::string("the driver answers ") + status_name(status) + ": " + why + "\n");
  if (!driver || driver->struct_size < sizeof(fl_driver) || driver->abi_version >> 16 != FL_HAL_MAJOR)
    throw Unusable(formatted("the driver's table is not of version %u: struct_size %zu, abi_version 0x%x\n",
                             FL_HAL_MAJOR, driver ? driver->struct_size : 0, driver ? driver->abi_version : 0));
  int32_t devices = 0;
  if (driver->device_count(&devices) != FL_OK || devices < 1)
    throw Unusable(formatted("device_count gives %d devices: %s\n", devices, driver->last_error()));
  if (options.device < 0 || options.device >= devices)
    throw Unusable(formatted("there is no device %d; the driver has %d\n", options.device, devices));

  Report report(options.json);
  report.add("table/another_major_is_refused", major ? "FAILED" : "ok", major.value_or(""));
  const Subject subject{*driver, devices, options.device};
  for (const auto& checks : {table_checks(), memory_checks(), copy_checks(), stream_checks(), event_checks(),
                             error_checks(), thread_checks(), group_checks(), module_checks()}) {
    for (const Check& check : checks) {
      const char* outcome = "ok";
      std::string text;
      try {
        check.run(subject);
      } catch (const Skipped& skipped) {
        outcome = "skipped";
        text = skipped.what();
      } catch (const Failed& failed) {
        outcome = "FAILED";
        text = failed.what();
      }
      report.add(check.name, outcome, text);
      // Of a table with holes nothing further can be asked.
      if (check.run == table_checks().front().run && std::strcmp(outcome, "ok") != 0) return report.close(*driver);
    }
    // A driver whose table is wrong may crash the other checks; the table comes first.
    if (checks.data() == table_checks().data() && report.failed()) return report.close(*driver);
  }
  return report.close(*driver);
}

}  // namespace
}  // namespace fl::conformance

int main(int count, char** words) {
  try {
    return fl::conformance::run(fl::conformance::parse(count, words));
  } catch (const fl::conformance::Unusable& problem) {
    std::fputs((std::string("flagos-driver-conformance: ") + problem.what()).c_str(), stderr);
    return 2;
  }
}
