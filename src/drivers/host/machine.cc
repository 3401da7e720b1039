#include "drivers/host/machine.h"

#include <sched.h>

#include <algorithm>
#include <fstream>
#include <functional>
#include <optional>
#include <sstream>
#include <thread>

#include "base/cpu_features.h"
#include "base/error.h"

namespace fl::drivers::host {
namespace {

std::optional<uint64_t> number_in(const std::string& path) {
  std::ifstream file(path);
  uint64_t value = 0;
  if (file >> value) return value;
  return std::nullopt;  // absent, or the word "max"
}

// The value of "key value" in a file of such lines (memory.stat).
uint64_t number_of_key(const std::string& path, const std::string& key) {
  std::ifstream file(path);
  std::string word;
  uint64_t value = 0;
  while (file >> word >> value)
    if (word == key) return value;
  return 0;
}

// The process's group below the mount point of one controller, as /proc/self/cgroup tells it: version 2 has the line
// "0::/path", version 1 "4:memory:/path" or "3:cpu,cpuacct:/path".
std::optional<std::string> group_path(const std::string& root, const std::string& controller) {
  std::ifstream file(root + "/proc/self/cgroup");
  for (std::string line; std::getline(file, line);) {
    const size_t first = line.find(':'), second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string controllers = "," + line.substr(first + 1, second - first - 1) + ",";
    const bool found =
        controller.empty() ? controllers == ",," : controllers.find("," + controller + ",") != std::string::npos;
    if (found) return line.substr(second + 1);
  }
  return std::nullopt;
}

// Visits the folder of the group and of every group above it. In a container the path may be the one outside; the walk
// then meets no file until it reaches the mount point, which is the container's own group.
void visit_groups(const std::string& mount, std::string path, const std::function<void(const std::string&)>& visit) {
  while (!path.empty() && path != "/") {
    visit(mount + path);
    path.resize(path.find_last_of('/') == std::string::npos ? 0 : path.find_last_of('/'));
  }
  visit(mount);
}

struct MemoryFiles {
  const char* controller;  // "" for version 2
  const char* mount;
  const char* limit;
  const char* usage;
  const char* cache[2];  // keys of memory.stat whose pages the kernel gives back before it refuses
};
constexpr MemoryFiles kMemoryFiles[] = {
    {"", "/sys/fs/cgroup", "/memory.max", "/memory.current", {"inactive_file", "active_file"}},
    {"memory",
     "/sys/fs/cgroup/memory",
     "/memory.limit_in_bytes",
     "/memory.usage_in_bytes",
     {"total_inactive_file", "total_active_file"}},
};

// Processors' worth of time that one group grants, as quota / period.
std::optional<double> cpu_quota_v2(const std::string& group) {
  std::ifstream file(group + "/cpu.max");
  double quota = 0, period = 0;
  if (file >> quota >> period && period > 0) return quota / period;
  return std::nullopt;
}
std::optional<double> cpu_quota_v1(const std::string& group) {
  const auto quota = number_in(group + "/cpu.cfs_quota_us"), period = number_in(group + "/cpu.cfs_period_us");
  if (!quota || !period || *period == 0 || *quota > INT64_MAX) return std::nullopt;  // -1: none
  return static_cast<double>(*quota) / static_cast<double>(*period);
}

}  // namespace

std::string processor_name(const std::string& root) {
  std::ifstream file(root + "/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with("model name")) continue;
    const size_t value = line.find_first_not_of(" \t", line.find(':') + 1);
    if (line.find(':') != std::string::npos && value != std::string::npos) return line.substr(value);
  }
  return "x86-64 processor";
}

const char* processor_arch() {
  __builtin_cpu_init();
  const bool v2 = __builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("popcnt");
  if (!v2) return "x86-64";
  return cpu_features().v4 ? "x86-64-v4" : cpu_features().v3 ? "x86-64-v3" : "x86-64-v2";
}

uint32_t usable_cores(const std::string& root) {
  cpu_set_t set;
  CPU_ZERO(&set);
  // A machine with more processors than the set holds answers EINVAL; its affinity is then not looked at.
  double cores = sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : std::thread::hardware_concurrency();
  const auto cap = [&](std::optional<double> quota) {
    if (quota) cores = std::min(cores, *quota);
  };
  if (const auto path = group_path(root, ""))
    visit_groups(root + "/sys/fs/cgroup", *path, [&](const std::string& group) { cap(cpu_quota_v2(group)); });
  if (const auto path = group_path(root, "cpu"))
    visit_groups(root + "/sys/fs/cgroup/cpu", *path, [&](const std::string& group) { cap(cpu_quota_v1(group)); });
  const auto whole = static_cast<uint32_t>(cores);
  return std::max(1u, whole + (cores > whole ? 1u : 0u));
}

Memory usable_memory(const std::string& root) {
  std::ifstream file(root + "/proc/meminfo");
  Memory memory{0, 0};
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    std::string key;
    uint64_t kibibytes = 0;
    if (!(words >> key >> kibibytes)) continue;
    if (key == "MemTotal:") memory.total = kibibytes * 1024;
    if (key == "MemAvailable:") memory.available = kibibytes * 1024;
  }
  if (memory.total == 0)
    fail(FL_INTERNAL, "The host driver cannot read MemTotal in %s/proc/meminfo; mount /proc.", root.c_str());

  for (const MemoryFiles& files : kMemoryFiles) {
    const auto path = group_path(root, files.controller);
    if (!path) continue;
    visit_groups(root + files.mount, *path, [&](const std::string& group) {
      const auto limit = number_in(group + files.limit), usage = number_in(group + files.usage);
      if (!limit) return;
      memory.total = std::min(memory.total, *limit);
      uint64_t used = usage.value_or(0), cache = 0;
      for (const char* key : files.cache) cache += number_of_key(group + "/memory.stat", key);
      used -= std::min(used, cache);
      memory.available = std::min(memory.available, *limit - std::min(*limit, used));
    });
  }
  memory.available = std::min(memory.available, memory.total);
  return memory;
}

}  // namespace fl::drivers::host
