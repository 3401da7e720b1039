// After a fork: the host driver goes on working in the child, a driver that cannot says so once and clearly, and no
// lock is left behind by threads that the child does not have.
#include <gmock/gmock.h>
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/lsan_interface.h>
#endif
#include <sys/wait.h>
#include <unistd.h>

#include <thread>

#include "devices_fixture.h"

namespace fl::test {
namespace {

// Runs the body in a child and returns its exit status; the body returns 0 when all was well.
template <class Body>
int in_child(const Body& body) {
  const pid_t child = fork();
  if (child == 0) _exit(body());
  int status = 0;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

class ForkTest : public FakeDevices {};

TEST_F(ForkTest, the_host_driver_goes_on_working_in_the_child) {
  start({"host"});
  fl_block* block = allocate(1024);
  *reinterpret_cast<int*>(block->address) = 5;
  const int status = in_child([&] {
    fl_block* more = nullptr;
    if (fl_device_usable(0) != FL_OK) return 1;
    if (*reinterpret_cast<int*>(block->address) != 5) return 2;
    if (fl_block_allocate(stream_, 3 << 20, &more) != FL_OK) return 3;
    std::memset(reinterpret_cast<void*>(more->address), 1, 3 << 20);
    fl_block_release(more);
    fl_block_release(block);
    return 0;
  });
  EXPECT_EQ(status, 0);
  EXPECT_EQ(*reinterpret_cast<int*>(block->address), 5);
  fl_block_release(block);
}

TEST_F(ForkTest, another_driver_gives_one_clear_error_in_the_child_and_works_on_in_the_parent) {
  start();
  fl_block* block = allocate(1024);
  const int status = in_child([&] {
    fl_block* more = nullptr;
    if (fl_block_allocate(stream_, 1024, &more) != FL_UNSUPPORTED) return 1;
    const std::string text = fl_last_error();
    if (text.find("was opened before this process was forked") == std::string::npos) return 2;
    if (fl_device_usable(0) != FL_UNSUPPORTED || fl_stream_synchronize(stream_) != FL_UNSUPPORTED) return 3;
    fl_stream* pooled = nullptr;
    if (fl_stream_from_pool(0, 0, &pooled) != FL_UNSUPPORTED) return 4;
    fl_block_release(block);  // safe, whatever else
    return 0;
  });
  EXPECT_EQ(status, 0);
  EXPECT_OK(fl_device_usable(0));
  fl_block_release(block);
  EXPECT_NE(allocate(1024), nullptr);
}

TEST_F(ForkTest, a_fork_among_busy_threads_leaves_no_lock_taken_in_the_child) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP()
      << "the sanitizers' own allocators (GCC 12) leave their locks taken in a child forked among busy threads";
#endif
  start({"host"});
  std::vector<std::jthread> threads;  // joined however the test ends
  for (int i = 0; i < 3; ++i) {
    threads.emplace_back([&, i](const std::stop_token& stop) {
      fl_stream* stream = pool_stream();
      for (int turn = 0; !stop.stop_requested(); ++turn) {
        fl_block* block = nullptr;
        ASSERT_OK(fl_block_allocate(stream, static_cast<uint64_t>(1 + i) << (turn % 23), &block));
        fl_block_release(block);
        if (turn % 50 == 0) {
          void* pinned = nullptr;
          ASSERT_OK(fl_pinned_allocate(100, &pinned));
          fl_pinned_release(pinned);
          ASSERT_OK(fl_memory_trim(0));
        }
      }
    });
  }
  for (int turn = 0; turn < 20; ++turn) {
    const int status = in_child([&] {
      alarm(120);  // a lock that nobody will give back ends the child
      fl_block* block = nullptr;
      void* pinned = nullptr;
      if (fl_block_allocate(stream_, 100, &block) != FL_OK) return 1;
      if (fl_memory_trim(0) != FL_OK) return 2;
      if (fl_block_allocate(stream_, 5 << 20, &block) != FL_OK) return 3;
      if (fl_pinned_allocate(5000, &pinned) != FL_OK) return 4;
      fl_stream* pooled = nullptr;
      if (fl_stream_from_pool(0, -2, &pooled) != FL_OK) return 5;
      return 0;
    });
    ASSERT_EQ(status, 0) << "fork " << turn;
  }
}

TEST_F(ForkTest, the_child_may_exit_with_everything_still_held) {
#ifdef __SANITIZE_ADDRESS__
  const __lsan::ScopedDisabler held_on_purpose;  // what the child exits with is no leak
#endif
  start();
  fl_block* block = allocate(1024);
  ASSERT_OK(fl_block_record_stream(block, pool_stream()));
  static fl_block* left = block;
  const int status = in_child([] {
    std::atexit([] { fl_block_release(left); });  // as a language runtime does that tears tensors down late
    std::exit(0);
    return 1;
  });
  EXPECT_EQ(status, 0);
}

}  // namespace
}  // namespace fl::test
