#include "base/thread_pool.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <latch>
#include <limits>
#include <mutex>
#include <set>
#include <thread>
#include <vector>

#include "base/parallel_for.h"

namespace {

using Range = std::pair<int64_t, int64_t>;

// The ranges of one call, sorted, and the threads that had them.
struct Seen {
  std::mutex mutex;
  std::vector<Range> ranges;
  std::set<std::thread::id> threads;
};

void note(void* context, int64_t first, int64_t last) {
  auto* seen = static_cast<Seen*>(context);
  const std::lock_guard<std::mutex> lock(seen->mutex);
  seen->ranges.emplace_back(first, last);
  seen->threads.insert(std::this_thread::get_id());
}

std::vector<Range> ranges_of(fl::ThreadPool& pool, int64_t begin, int64_t end, int64_t grain) {
  Seen seen;
  pool.parallel_for(begin, end, grain, note, &seen);
  std::sort(seen.ranges.begin(), seen.ranges.end());
  return seen.ranges;
}

TEST(ThreadPool, ranges_cover_the_whole_once_and_are_no_smaller_than_the_grain) {
  fl::ThreadPool pool(3);
  for (const int64_t total : {1, 2, 7, 12, 100, 1001, 65537}) {
    for (const int64_t grain : {1, 3, 50, 5000}) {
      const auto ranges = ranges_of(pool, -5, total - 5, grain);
      int64_t next = -5;
      for (const auto& [first, last] : ranges) {
        EXPECT_EQ(first, next);
        EXPECT_GE(last - first, std::min(grain, total));
        next = last;
      }
      EXPECT_EQ(next, total - 5) << total << " by " << grain;
    }
  }
}

TEST(ThreadPool, an_empty_range_calls_nothing) {
  fl::ThreadPool pool(2);
  EXPECT_TRUE(ranges_of(pool, 5, 5, 1).empty());
  EXPECT_TRUE(ranges_of(pool, 6, 5, 1).empty());
}

TEST(ThreadPool, a_grain_of_nothing_is_one) {
  fl::ThreadPool pool(2);
  EXPECT_EQ(ranges_of(pool, 0, 3, 0), (std::vector<Range>{{0, 1}, {1, 2}, {2, 3}}));
  EXPECT_EQ(ranges_of(pool, 0, 2, -7), (std::vector<Range>{{0, 1}, {1, 2}}));
}

TEST(ThreadPool, the_largest_ranges_do_not_overflow) {
  fl::ThreadPool pool(2);
  const int64_t most = std::numeric_limits<int64_t>::max();
  const auto ranges = ranges_of(pool, 0, most, 1);
  EXPECT_EQ(ranges.front().first, 0);
  EXPECT_EQ(ranges.back().second, most);
  for (size_t index = 1; index < ranges.size(); ++index) EXPECT_EQ(ranges[index].first, ranges[index - 1].second);
}

TEST(ThreadPool, every_thread_takes_part) {
  constexpr int kThreads = 4;
  fl::ThreadPool pool(kThreads);
  EXPECT_EQ(pool.thread_count(), kThreads);
  // Each range waits until all have begun: with fewer threads this would not end.
  std::latch begun(kThreads);
  pool.parallel_for(
      0, kThreads, 1, [](void* latch, int64_t, int64_t) { static_cast<std::latch*>(latch)->arrive_and_wait(); },
      &begun);
}

TEST(ThreadPool, one_thread_runs_all_on_the_caller) {
  fl::ThreadPool pool(1);
  Seen seen;
  pool.parallel_for(0, 1000, 1, note, &seen);
  EXPECT_EQ(seen.ranges, (std::vector<Range>{{0, 1000}}));
  EXPECT_EQ(seen.threads, (std::set<std::thread::id>{std::this_thread::get_id()}));
}

struct Nested {
  fl::ThreadPool* pool;
  std::atomic<int64_t> sum{0};
  std::atomic<int> inline_calls{0};
};

TEST(ThreadPool, a_nested_call_runs_inline) {
  fl::ThreadPool pool(3);
  Nested nested{&pool};
  const auto inner = [](void* context, int64_t first, int64_t last) {
    auto* mine = static_cast<Nested*>(context);
    mine->sum += last - first;
    mine->inline_calls += 1;
  };
  struct Outer {
    Nested* nested;
    fl_range_body inner;
  } outer{&nested, inner};
  pool.parallel_for(
      0, 12, 1,
      [](void* context, int64_t first, int64_t last) {
        auto* mine = static_cast<Outer*>(context);
        for (int64_t index = first; index < last; ++index)
          mine->nested->pool->parallel_for(0, 100, 1, mine->inner, mine->nested);
      },
      &outer);
  EXPECT_EQ(nested.sum, 1200);
  EXPECT_EQ(nested.inline_calls, 12);
}

TEST(ThreadPool, calls_from_several_threads_all_complete) {
  fl::ThreadPool pool(3);
  std::atomic<int64_t> sum{0};
  std::vector<std::thread> callers;
  for (int caller = 0; caller < 6; ++caller) {
    callers.emplace_back([&] {
      for (int round = 0; round < 300; ++round) {
        pool.parallel_for(
            0, 64, 1,
            [](void* total, int64_t first, int64_t last) {
              *static_cast<std::atomic<int64_t>*>(total) += last - first;
            },
            &sum);
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(sum, 6 * 300 * 64);
}

TEST(ThreadPool, what_the_body_writes_is_seen_by_the_caller) {
  fl::ThreadPool pool(4);
  std::vector<int64_t> values(10000);
  for (int64_t round = 1; round <= 50; ++round) {
    pool.parallel_for(
        0, 10000, 16,
        [](void* context, int64_t first, int64_t last) {
          for (int64_t index = first; index < last; ++index)
            (*static_cast<std::vector<int64_t>*>(context))[static_cast<size_t>(index)] += index;
        },
        &values);
    ASSERT_EQ(values[9999], 9999 * round);
    ASSERT_EQ(values[1], round);
  }
}

TEST(ParallelFor, a_forked_child_has_a_pool_of_its_own) {
  const auto total = [] {
    std::atomic<int64_t> sum{0};
    fl::parallel_for(0, 1000, 1, [&](int64_t first, int64_t last) { sum += last - first; });
    return sum.load();
  };
  ASSERT_EQ(total(), 1000);
  const pid_t child = fork();
  if (child == 0) _exit(total() == 1000 && fl_thread_count() >= 1 ? 0 : 1);
  int status = 1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(total(), 1000);
}

int64_t installed_calls = 0;

TEST(ParallelFor, an_installed_pool_gets_the_calls_until_it_is_taken_back) {
  const fl_thread_pool mine{sizeof(fl_thread_pool),
                            [](int64_t begin, int64_t end, int64_t, fl_range_body body, void* context) {
                              ++installed_calls;
                              body(context, begin, end);
                            },
                            [] { return int32_t{77}; }};
  fl_set_thread_pool(&mine);
  int64_t sum = 0;
  fl::parallel_for(0, 10, 1, [&](int64_t first, int64_t last) { sum += last - first; });
  EXPECT_EQ(sum, 10);
  EXPECT_EQ(installed_calls, 1);
  EXPECT_EQ(fl_thread_count(), 77);
  fl_set_thread_pool(nullptr);
  EXPECT_NE(fl_thread_count(), 77);
  EXPECT_EQ(installed_calls, 1);
}

TEST(ParallelFor, a_const_body_is_called_too) {
  std::atomic<int64_t> sum{0};
  const auto body = [&](int64_t first, int64_t last) { sum += last - first; };
  fl::parallel_for(0, 100, 10, body);
  EXPECT_EQ(sum, 100);
}

}  // namespace
