// Facts of the machine, read from a made-up /proc and /sys.
#include "drivers/host/machine.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "base/error.h"

namespace fl::drivers::host {
namespace {

constexpr uint64_t kGiB = uint64_t{1} << 30;

class Machine : public testing::Test {
 protected:
  void SetUp() override {
    root_ = std::filesystem::path(testing::TempDir()) /
            ("machine_" + std::string(testing::UnitTest::GetInstance()->current_test_info()->name()));
    std::filesystem::remove_all(root_);
    put("/proc/meminfo", "MemTotal:       16777216 kB\nMemFree:  1 kB\nMemAvailable:    8388608 kB\n");
  }
  void TearDown() override { std::filesystem::remove_all(root_); }
  void put(const std::string& path, const std::string& text) {
    std::filesystem::create_directories((root_ / path.substr(1)).parent_path());
    std::ofstream(root_ / path.substr(1)) << text;
  }
  Memory memory() const { return usable_memory(root_.string()); }
  std::filesystem::path root_;
};

TEST_F(Machine, without_cgroups_the_machine_itself_counts) {
  EXPECT_EQ(memory().total, 16 * kGiB);
  EXPECT_EQ(memory().available, 8 * kGiB);
}

TEST_F(Machine, version_2_takes_the_tightest_group_on_the_way_up) {
  put("/proc/self/cgroup", "0::/slice/service\n");
  put("/sys/fs/cgroup/slice/service/memory.max", "max\n");
  put("/sys/fs/cgroup/slice/memory.max", std::to_string(4 * kGiB));
  put("/sys/fs/cgroup/slice/memory.current", std::to_string(3 * kGiB));
  put("/sys/fs/cgroup/slice/memory.stat", "anon 5\ninactive_file 1073741824\nactive_file 1073741824\n");
  EXPECT_EQ(memory().total, 4 * kGiB);
  EXPECT_EQ(memory().available, 3 * kGiB) << "page cache is given back before anything is refused";
}

TEST_F(Machine, version_1_in_a_container_that_shows_the_outer_path) {
  put("/proc/self/cgroup", "8:pids:/docker/x\n4:memory:/docker/x\n0::/\n");
  put("/sys/fs/cgroup/memory/memory.limit_in_bytes", std::to_string(2 * kGiB));
  put("/sys/fs/cgroup/memory/memory.usage_in_bytes", std::to_string(kGiB));
  put("/sys/fs/cgroup/memory/memory.stat", "total_inactive_file 0\n");
  EXPECT_EQ(memory().total, 2 * kGiB);
  EXPECT_EQ(memory().available, kGiB);
}

TEST_F(Machine, version_1_without_a_limit_says_a_number_near_2_to_63) {
  put("/proc/self/cgroup", "4:memory:/a\n");
  put("/sys/fs/cgroup/memory/a/memory.limit_in_bytes", "9223372036854771712\n");
  put("/sys/fs/cgroup/memory/a/memory.usage_in_bytes", "1000\n");
  EXPECT_EQ(memory().total, 16 * kGiB);
  EXPECT_EQ(memory().available, 8 * kGiB);
}

TEST_F(Machine, usage_above_the_limit_leaves_nothing) {
  put("/proc/self/cgroup", "0::/\n");
  put("/sys/fs/cgroup/memory.max", std::to_string(kGiB));
  put("/sys/fs/cgroup/memory.current", std::to_string(2 * kGiB));
  EXPECT_EQ(memory().total, kGiB);
  EXPECT_EQ(memory().available, 0u);
}

TEST_F(Machine, without_proc_it_is_an_error_that_says_so) {
  std::filesystem::remove_all(root_ / "proc");
  try {
    memory();
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.status(), FL_INTERNAL);
    EXPECT_NE(std::string(error.what()).find("/proc/meminfo"), std::string::npos);
  }
}

TEST_F(Machine, quotas_cut_the_cores_and_are_rounded_up) {
  put("/proc/self/cgroup", "0::/a\n");
  put("/sys/fs/cgroup/a/cpu.max", "max 100000\n");
  const uint32_t all = usable_cores(root_.string());
  EXPECT_GE(all, 1u);
  put("/sys/fs/cgroup/cpu.max", "50000 100000\n");
  EXPECT_EQ(usable_cores(root_.string()), 1u);
  put("/sys/fs/cgroup/cpu.max", "100000000 100000\n");
  EXPECT_EQ(usable_cores(root_.string()), all);
}

TEST_F(Machine, version_1_quota_of_minus_one_is_none) {
  put("/proc/self/cgroup", "2:cpu,cpuacct:/a\n");
  put("/sys/fs/cgroup/cpu/a/cpu.cfs_quota_us", "-1\n");
  put("/sys/fs/cgroup/cpu/a/cpu.cfs_period_us", "100000\n");
  const uint32_t all = usable_cores(root_.string());
  put("/sys/fs/cgroup/cpu/a/cpu.cfs_quota_us", "20000\n");
  EXPECT_EQ(usable_cores(root_.string()), 1u);
  EXPECT_GE(all, 1u);
}

TEST_F(Machine, the_processor_has_a_name_or_is_called_one) {
  EXPECT_EQ(processor_name(root_.string()), "x86-64 processor");
  put("/proc/cpuinfo", "processor\t: 0\nmodel name\t: Made Up 9000\nflags\t: fpu\n");
  EXPECT_EQ(processor_name(root_.string()), "Made Up 9000");
}

}  // namespace
}  // namespace fl::drivers::host
