// Random traffic through the allocator against a model of it: no two live blocks overlap, memory is never handed out
// while a stream that was recorded still uses it, and every figure of the statistics is what the model counts.
#include <map>
#include <random>

#include "devices_fixture.h"

namespace fl::test {
namespace {

constexpr uint64_t kMiB = uint64_t{1} << 20;

// A figure counted by hand.
struct ModelStat {
  int64_t current = 0, peak = 0, allocated = 0, freed = 0;
  void add(int64_t amount) {
    current += amount;
    allocated += amount;
    peak = std::max(peak, current);
  }
  void subtract(int64_t amount) {
    current -= amount;
    freed += amount;
  }
};

struct Model {
  ModelStat allocation[3], allocated_bytes[3], requested_bytes[3], active[3], active_bytes[3];

  static int pool(uint64_t size) { return size <= kMiB ? FL_STAT_SMALL : FL_STAT_LARGE; }
  template <class Apply>
  void each(int pool, const Apply& apply) {
    apply(FL_STAT_ALL);
    apply(pool);
  }
  void allocated(uint64_t requested, uint64_t size) {
    each(pool(requested), [&](int p) {
      allocation[p].add(1);
      allocated_bytes[p].add(static_cast<int64_t>(size));
      requested_bytes[p].add(static_cast<int64_t>(requested));
      active[p].add(1);
      active_bytes[p].add(static_cast<int64_t>(size));
    });
  }
  void released(uint64_t requested, uint64_t size) {
    each(pool(requested), [&](int p) {
      allocation[p].subtract(1);
      allocated_bytes[p].subtract(static_cast<int64_t>(size));
      requested_bytes[p].subtract(static_cast<int64_t>(requested));
    });
  }
  void inactive(uint64_t requested, uint64_t size) {
    each(pool(requested), [&](int p) {
      active[p].subtract(1);
      active_bytes[p].subtract(static_cast<int64_t>(size));
    });
  }
  void reset_peak() {
    for (auto* stats : {&allocation, &allocated_bytes, &requested_bytes, &active, &active_bytes}) {
      for (ModelStat& stat : *stats) stat.peak = stat.current;
    }
  }
  void reset_accumulated() {
    for (auto* stats : {&allocation, &allocated_bytes, &requested_bytes, &active, &active_bytes}) {
      for (ModelStat& stat : *stats) stat.allocated = stat.freed = 0;
    }
  }
};

void expect_same(const fl_stat (&got)[3], const ModelStat (&want)[3], const char* what, int step) {
  for (int pool = 0; pool < 3; ++pool) {
    ASSERT_EQ(got[pool].current, want[pool].current) << what << " pool " << pool << " step " << step;
    ASSERT_EQ(got[pool].peak, want[pool].peak) << what << " pool " << pool << " step " << step;
    ASSERT_EQ(got[pool].allocated, want[pool].allocated) << what << " pool " << pool << " step " << step;
    ASSERT_EQ(got[pool].freed, want[pool].freed) << what << " pool " << pool << " step " << step;
  }
}

struct Live {
  fl_block* block;
  uint64_t requested;
  fl_addr address;  // by value: the record is the runtime's once the block is released
  uint64_t size;
  bool shared;  // another stream was recorded
};

class BlockPoolPropertyTest : public FakeDevices, public testing::WithParamInterface<uint32_t> {
 protected:
  uint64_t random_size(std::mt19937& random) {
    switch (random() % 5) {
      case 0:
        return 1 + random() % 512;
      case 1:
        return 1 + random() % (64 << 10);
      case 2:
        return 1 + random() % (2 << 20);
      case 3:
        return 1 + random() % (12 << 20);
      default:
        return 1 + random() % (40 << 20);
    }
  }
};
INSTANTIATE_TEST_SUITE_P(Seeds, BlockPoolPropertyTest, testing::Range(1u, 9u));

TEST_P(BlockPoolPropertyTest, random_traffic_keeps_every_promise) {
  driver().memory = 400 * kMiB;
  start();
  driver().holding = true;  // events pass when `run` is called, and when the runtime blocks
  std::mt19937 random(GetParam());
  fl_stream* streams[] = {stream_, pool_stream(), pool_stream()};
  Model model;
  std::vector<Live> live;
  std::vector<Live> waiting;  // released, not yet passed
  std::map<fl_addr, uint64_t> taken;
  int failures = 0;

  const auto settle = [&] {  // what the next poll will find
    for (const Live& done : waiting) {
      model.inactive(done.requested, done.size);
      taken.erase(done.address);
    }
    waiting.clear();
  };
  for (int step = 0; step < 4000; ++step) {
    const uint32_t dice = random() % 100;
    if (dice < 50) {
      const uint64_t size = random_size(random);
      const int waits = driver().count("event_synchronize");
      fl_block* block = nullptr;
      const fl_status status = fl_block_allocate(streams[random() % 3], size, &block);
      if (driver().count("event_synchronize") != waits) settle();
      if (status == FL_OUT_OF_MEMORY) {
        ++failures;
        for (size_t i = 0; i < live.size() / 2; ++i) {
          std::swap(live[i], live.back());
        }
        continue;
      }
      ASSERT_OK(status);
      ASSERT_GE(block->size, size);
      ASSERT_LE(block->size, size + size / 7 + 2 * kMiB);
      ASSERT_EQ(block->address % 256, 0u);
      const auto next = taken.upper_bound(block->address);
      ASSERT_TRUE(next == taken.end() || block->address + block->size <= next->first) << "overlaps the next block";
      if (next != taken.begin()) {
        const auto before = std::prev(next);
        ASSERT_LE(before->first + before->second, block->address) << "overlaps the block before";
      }
      taken[block->address] = block->size;
      model.allocated(size, block->size);
      live.push_back({block, size, block->address, block->size, false});
      if (random() % 4 == 0) {
        fl_stream* user = streams[random() % 3];
        const uint8_t byte = 7;
        ASSERT_OK(fl_fill(user, block->address, &byte, 1, 1));
        ASSERT_OK(fl_block_record_stream(block, user));
        live.back().shared = true;
      }
    } else if (dice < 95 && !live.empty()) {
      const size_t which = random() % live.size();
      const Live gone = live[which];
      live[which] = live.back();
      live.pop_back();
      const int records = driver().count("event_record");
      model.released(gone.requested, gone.size);
      fl_block_release(gone.block);
      if (driver().count("event_record") != records) {
        ASSERT_TRUE(gone.shared);
        waiting.push_back(gone);
      } else {
        model.inactive(gone.requested, gone.size);
        taken.erase(gone.address);
      }
    } else if (dice < 98) {
      driver().run();
      fl_block* small = allocate(1);  // polls
      settle();
      model.allocated(1, 512);
      model.released(1, 512);
      model.inactive(1, 512);
      fl_block_release(small);
    } else if (dice == 98) {
      driver().run();
      ASSERT_OK(fl_memory_trim(0));
      settle();
    } else {
      ASSERT_OK(fl_memory_reset_peak(0));
      ASSERT_OK(fl_memory_reset_accumulated(0));
      model.reset_peak();
      model.reset_accumulated();
    }

    const fl_memory_stats now = stats();
    expect_same(now.allocation, model.allocation, "allocation", step);
    expect_same(now.allocated_bytes, model.allocated_bytes, "allocated_bytes", step);
    expect_same(now.requested_bytes, model.requested_bytes, "requested_bytes", step);
    expect_same(now.active, model.active, "active", step);
    expect_same(now.active_bytes, model.active_bytes, "active_bytes", step);
    ASSERT_EQ(now.reserved_bytes[FL_STAT_ALL].current, static_cast<int64_t>(driver().used()));
    ASSERT_EQ(now.driver_allocations - now.driver_releases, now.segment[FL_STAT_ALL].current);
    ASSERT_LE(now.inactive_split_bytes[FL_STAT_ALL].current,
              now.reserved_bytes[FL_STAT_ALL].current - now.active_bytes[FL_STAT_ALL].current);
    if (HasFatalFailure()) return;
  }
  EXPECT_GT(failures, 0) << "the traffic never ran out of memory: it proves less than it should";
  for (const Live& left : live) fl_block_release(left.block);
  driver().run();
  ASSERT_OK(fl_memory_trim(0));
  EXPECT_EQ(driver().used(), 0u);
  const fl_memory_stats end = stats();
  EXPECT_EQ(end.active_bytes[FL_STAT_ALL].current, 0);
  EXPECT_EQ(end.inactive_split_bytes[FL_STAT_ALL].current, 0);
  EXPECT_EQ(end.segment[FL_STAT_ALL].current, 0);
}

}  // namespace
}  // namespace fl::test
