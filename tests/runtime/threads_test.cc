// Many threads at once, for ThreadSanitizer and for what only a race breaks: memory that is handed out twice, figures
// that do not add up, locks that never come free.
#include <atomic>
#include <random>
#include <thread>

#include "devices_fixture.h"

namespace fl::test {
namespace {

constexpr int kThreads = 8;

template <class Body>
void on_threads(const Body& body) {
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) threads.emplace_back([&body, i] { body(i); });
  for (std::thread& thread : threads) thread.join();
}

class ThreadsTest : public FakeDevices {
 protected:
  void expect_all_given_back() {
    const fl_memory_stats end = stats();
    EXPECT_EQ(end.allocation[FL_STAT_ALL].current, 0);
    EXPECT_EQ(end.allocated_bytes[FL_STAT_ALL].current, 0);
    EXPECT_EQ(end.requested_bytes[FL_STAT_ALL].current, 0);
    EXPECT_EQ(end.allocation[FL_STAT_ALL].allocated, end.allocation[FL_STAT_ALL].freed);
  }
};

TEST_F(ThreadsTest, memory_of_one_stream_is_never_handed_out_twice) {
  start({"host"});
  on_threads([&](int thread) {
    std::mt19937 random(static_cast<uint32_t>(thread));
    std::vector<fl_block*> held;
    for (int step = 0; step < 2000; ++step) {
      if (held.size() < 20 && random() % 2) {
        fl_block* block = nullptr;
        ASSERT_OK(fl_block_allocate(stream_, 1 + random() % (step % 50 ? 3000 : 3 << 20), &block));
        *reinterpret_cast<volatile int*>(block->address) = thread;
        held.push_back(block);
      } else if (!held.empty()) {
        ASSERT_EQ(*reinterpret_cast<volatile int*>(held.back()->address), thread);
        fl_block_release(held.back());
        held.pop_back();
      }
      if (step % 500 == 0) {
        ASSERT_OK(fl_memory_trim(0));
      }
      if (step % 100 == 0) {
        fl_block found{};
        fl_block_find(1 + random(), &found);
        stats();
      }
    }
    for (fl_block* block : held) fl_block_release(block);
  });
  expect_all_given_back();
}

TEST_F(ThreadsTest, blocks_allocated_here_may_be_released_there) {
  start({"host"});
  std::atomic<fl_block*> mailbox[kThreads] = {};
  on_threads([&](int thread) {
    for (int step = 0; step < 5000; ++step) {
      fl_block* block = nullptr;
      ASSERT_OK(fl_block_allocate(stream_, static_cast<uint64_t>(1 + step % 4000), &block));
      fl_block_release(mailbox[(thread + 1) % kThreads].exchange(block));
    }
  });
  for (auto& block : mailbox) fl_block_release(block.load());
  expect_all_given_back();
}

TEST_F(ThreadsTest, streams_events_copies_and_recorded_blocks_at_once) {
  start();
  std::vector<fl_stream*> streams;
  for (int i = 0; i < kThreads; ++i) streams.push_back(pool_stream());
  on_threads([&](int thread) {
    fl_stream* mine = streams[static_cast<size_t>(thread)];
    fl_stream* other = streams[static_cast<size_t>((thread + 3) % kThreads)];
    for (int step = 0; step < 200; ++step) {
      fl_block* block = nullptr;
      void* pinned = nullptr;
      fl_event* event = nullptr;
      ASSERT_OK(fl_block_allocate(mine, 4096, &block));
      ASSERT_OK(fl_pinned_allocate(4096, &pinned));
      ASSERT_OK(fl_event_create(0, 0, &event));
      std::memset(pinned, thread, 4096);
      const fl_copy_side to = {block->address, 0, mine}, from = {reinterpret_cast<uint64_t>(pinned), FL_HOST, nullptr};
      ASSERT_OK(fl_copy(&to, &from, 4096, FL_COPY_ASYNC));
      ASSERT_OK(fl_event_record(event, mine));
      ASSERT_OK(fl_stream_wait(other, event));
      ASSERT_OK(fl_block_record_stream(block, other));
      uint8_t back[4096];
      const fl_copy_side out = {reinterpret_cast<uint64_t>(back), FL_HOST, nullptr}, in = {block->address, 0, other};
      ASSERT_OK(fl_copy(&out, &in, 4096, 0));
      ASSERT_EQ(back[4095], thread);
      fl_block_release(block);
      fl_pinned_release(pinned);
      fl_event_destroy(event);
    }
  });
  expect_all_given_back();
}

TEST_F(ThreadsTest, kernels_are_launched_and_released_from_everywhere) {
  start();
  fl_kernel_image image{};
  image.struct_size = sizeof(image);
  image.kind = "fake";
  image.data = image.function = "store";
  image.size = 5;
  fl_kernel* shared = nullptr;
  ASSERT_OK(fl_kernel_load(0, &image, &shared));
  on_threads([&](int thread) {
    fl_stream* mine = pool_stream();
    fl_block* block = nullptr;
    ASSERT_OK(fl_block_allocate(mine, 8, &block));
    const uint64_t value = static_cast<uint64_t>(thread);
    const fl_arg args[] = {{FL_ARG_ADDRESS, 8, &block->address}, {FL_ARG_BYTES, 8, &value}};
    fl_launch_config config{};
    config.struct_size = sizeof(config);
    fl_kernel_retain(shared);
    for (int step = 0; step < 100; ++step) {
      fl_kernel* own = nullptr;
      ASSERT_OK(fl_kernel_load(0, &image, &own));
      ASSERT_OK(fl_launch(step % 2 ? own : shared, &config, args, 2, mine));
      fl_kernel_release(own);
    }
    fl_kernel_release(shared);
    ASSERT_OK(fl_stream_synchronize(mine));
    EXPECT_EQ(*static_cast<uint64_t*>(driver().host_view(block->address)), value);
    fl_block_release(block);
  });
  fl_kernel_release(shared);
  EXPECT_EQ(driver().live_modules(), 0u);
}

TEST_F(ThreadsTest, a_pool_of_streams_is_made_once) {
  start();
  std::atomic<int> failures{0};
  on_threads([&](int) {
    for (int i = 0; i < 40; ++i) {
      fl_stream* stream = pool_stream();
      fl_stream* found = nullptr;
      if (fl_stream_from_id(0, fl_stream_id(stream), &found) != FL_OK || found != stream) ++failures;
    }
  });
  EXPECT_EQ(failures, 0);
  EXPECT_EQ(driver().count("stream_create"), 32);
}

}  // namespace
}  // namespace fl::test
