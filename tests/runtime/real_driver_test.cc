// The runtime over the drivers that are part of it: the host, which is synchronous and readable, and the simulated
// accelerator, which is neither. The same program must give the same values on both.
#include <gmock/gmock.h>

#include <random>

#include "base/env.h"
#include "devices_fixture.h"
#include "drivers/sim/sim_control.h"

namespace fl::test {
namespace {

constexpr uint64_t kWords = 4096;

class RealDriverTest : public FakeDevices, public testing::WithParamInterface<const char*> {
 protected:
  void SetUp() override {
    FakeDevices::SetUp();
    start({GetParam()});
  }
  // The words of a block as stream `stream` sees them after what it holds.
  static std::vector<uint64_t> read(fl_block* block, fl_stream* stream, size_t words) {
    std::vector<uint64_t> got(words);
    const fl_copy_side dst = {reinterpret_cast<uint64_t>(got.data()), FL_HOST, nullptr},
                       src = {block->address, 0, stream};
    EXPECT_OK(fl_copy(&dst, &src, words * 8, 0));
    return got;
  }
  static void fill(fl_block* block, fl_stream* stream, uint64_t value, uint64_t words) {
    EXPECT_OK(fl_fill(stream, block->address, &value, 8, words));
  }

  env::Scoped environment_{{{"FLAGOS_DRIVER", GetParam()}}};
};
INSTANTIATE_TEST_SUITE_P(Drivers, RealDriverTest, testing::Values("host", "sim"));

TEST_P(RealDriverTest, it_is_the_device_that_was_named) {
  fl_device_info info{};
  info.struct_size = sizeof(info);
  ASSERT_OK(fl_device_get_info(0, &info));
  EXPECT_STREQ(info.driver, GetParam());
  EXPECT_GT(info.hal.total_memory, 0u);
  uint64_t free_bytes = 0, total_bytes = 0;
  ASSERT_OK(fl_memory_info(0, &free_bytes, &total_bytes));
  EXPECT_LE(free_bytes, total_bytes);
}

TEST_P(RealDriverTest, producers_and_consumers_on_two_streams_never_see_each_others_memory) {
  fl_stream* producer = pool_stream();
  fl_stream* consumer = pool_stream();
  fl_event* made = nullptr;
  ASSERT_OK(fl_event_create(0, 0, &made));
  std::vector<fl_block*> results;
  for (uint64_t chain = 0; chain < 1000; ++chain) {
    fl_block* source = allocate(kWords * 8, producer);
    fl_block* result = allocate(8, consumer);
    fill(source, producer, chain, kWords);
    ASSERT_OK(fl_event_record(made, producer));
    ASSERT_OK(fl_stream_wait(consumer, made));
    const fl_copy_side dst = {result->address, 0, consumer}, src = {source->address + (kWords - 1) * 8, 0, consumer};
    ASSERT_OK(fl_copy(&dst, &src, 8, FL_COPY_ASYNC));
    ASSERT_OK(fl_block_record_stream(source, consumer));
    fl_block_release(source);  // the next chain may have it only when the consumer has read it
    results.push_back(result);
  }
  for (uint64_t chain = 0; chain < results.size(); ++chain) {
    ASSERT_EQ(read(results[chain], consumer, 1)[0], chain);
    fl_block_release(results[chain]);
  }
  fl_event_destroy(made);
}

TEST_P(RealDriverTest, random_sizes_keep_their_contents) {
  std::mt19937 random(3);
  struct Held {
    fl_block* block;
    uint64_t value, words;
  };
  std::vector<Held> held;
  for (uint64_t step = 0; step < 600; ++step) {
    if (held.size() < 24 && random() % 2) {
      const uint64_t words = 1 + random() % (random() % 8 ? 2000 : 600000);
      fl_block* block = allocate(words * 8);
      ASSERT_EQ(block->address % 64, 0u);
      fill(block, stream_, step, words);
      held.push_back({block, step, words});
    } else if (!held.empty()) {
      std::swap(held[random() % held.size()], held.back());
      const Held gone = held.back();
      held.pop_back();
      const std::vector<uint64_t> got = read(gone.block, stream_, gone.words);
      ASSERT_EQ(got.front(), gone.value);
      ASSERT_EQ(got.back(), gone.value);
      fl_block_release(gone.block);
    }
    if (step % 100 == 99) {
      ASSERT_OK(fl_memory_trim(0));
    }
  }
  for (const Held& rest : held) fl_block_release(rest.block);
  ASSERT_OK(fl_memory_trim(0));
  EXPECT_EQ(stats().reserved_bytes[FL_STAT_ALL].current, 0);
}

TEST_P(RealDriverTest, pinned_copies_in_flight_survive_the_release_of_their_memory) {
  for (uint64_t round = 0; round < 200; ++round) {
    void* pinned = nullptr;
    ASSERT_OK(fl_pinned_allocate(kWords * 8, &pinned));
    auto* words = static_cast<uint64_t*>(pinned);
    for (uint64_t i = 0; i < kWords; ++i) words[i] = round + i;
    fl_block* block = allocate(kWords * 8);
    const fl_copy_side dst = {block->address, 0, stream_}, src = {reinterpret_cast<uint64_t>(pinned), FL_HOST, nullptr};
    ASSERT_OK(fl_copy(&dst, &src, kWords * 8, FL_COPY_ASYNC));
    fl_pinned_release(pinned);
    if (round % 20 == 0) {
      EXPECT_EQ(read(block, stream_, kWords).back(), round + kWords - 1);
    }
    fl_block_release(block);
  }
}

class SimTest : public RealDriverTest {
 protected:
  void TearDown() override {
    if (sim()) {
      sim()->restore_device(0);
      sim()->gate_copies(0, 0, 0);
    }
    RealDriverTest::TearDown();
  }
  static const fl_sim1* sim() { return static_cast<const fl_sim1*>(fl_device_group(0, FL_SIM1)); }
};
INSTANTIATE_TEST_SUITE_P(Sim, SimTest, testing::Values("sim"));

TEST_P(SimTest, memory_under_a_gated_copy_is_not_handed_out) {
  constexpr uint64_t kGate = 7001;
  fl_stream* side = pool_stream();
  fl_block* source = allocate(8);
  fl_block* target = allocate(8, side);
  fill(source, stream_, 1, 1);
  ASSERT_OK(fl_stream_synchronize(stream_));
  ASSERT_EQ(sim()->gate_copies(0, 1, kGate), FL_OK);
  const fl_copy_side dst = {target->address, 0, side}, src = {source->address, 0, side};
  ASSERT_OK(fl_copy(&dst, &src, 8, FL_COPY_ASYNC));
  EXPECT_EQ(fl_stream_query(side), FL_NOT_READY);
  ASSERT_OK(fl_block_record_stream(source, side));
  const fl_addr address = source->address;
  fl_block_release(source);
  fl_block* next = allocate(8);
  EXPECT_NE(next->address, address);
  ASSERT_EQ(sim()->open_gate(kGate), FL_OK);
  ASSERT_OK(fl_stream_synchronize(side));
  EXPECT_EQ(read(target, side, 1)[0], 1u);
  EXPECT_EQ(allocate(8)->address, address);
}

TEST_P(SimTest, injected_failures_of_allocation_are_retried_once_and_then_reported) {
  ASSERT_EQ(sim()->fail_allocations(0, 1), FL_OK);
  EXPECT_NE(allocate(64 << 20), nullptr);
  EXPECT_EQ(stats().retries, 1);
  ASSERT_EQ(sim()->fail_allocations(0, 100), FL_OK);
  fl_block* none = nullptr;
  EXPECT_EQ(fl_block_allocate(stream_, 64 << 20, &none), FL_OUT_OF_MEMORY);
  EXPECT_THAT(fl_last_error(), testing::HasSubstr("is out of memory: 64.00 MiB were asked for"));
  ASSERT_EQ(sim()->fail_allocations(0, 0), FL_OK);
}

TEST_P(SimTest, a_lost_device_stays_lost_for_the_runtime_and_its_blocks_can_be_released) {
  fl_block* block = allocate(8);
  ASSERT_EQ(sim()->lose_device(0), FL_OK);
  EXPECT_EQ(fl_stream_synchronize(stream_), FL_DEVICE_LOST);
  EXPECT_EQ(fl_device_usable(0), FL_DEVICE_LOST);
  ASSERT_EQ(sim()->restore_device(0), FL_OK);
  EXPECT_EQ(fl_stream_synchronize(stream_), FL_DEVICE_LOST);
  fl_block_release(block);
}

}  // namespace
}  // namespace fl::test
