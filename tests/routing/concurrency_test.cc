// Calls go on while routes change under them. Run under the thread sanitizer, this is the proof that readers need no
// lock.
#include <thread>

#include "fake_adapter.h"

namespace fl::routing {
namespace {

constexpr int kThreads = 8;

TEST_F(RoutingTest, eight_threads_call_while_routes_change) {
  fl_route_slot* slot = router.slot(ids["mm"], 0);
  std::atomic<bool> stop{false};
  std::atomic<uint64_t> calls{0};
  std::atomic<uint64_t> wrong{0};
  fast.decline = "refused";
  fast.remember = true;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (uint64_t i = 0; !stop.load(std::memory_order_relaxed); ++i) {
        const fl_route* now = __atomic_load_n(&slot->route, __ATOMIC_ACQUIRE);
        FakeCall call{.signature = (static_cast<uint64_t>(t) << 32) + i % 50};
        now->run(now, &call);
        if (call.served_by != "cpu" && call.served_by != "other") wrong.fetch_add(1);
        calls.fetch_add(1, std::memory_order_relaxed);
      }
    });
  }
  for (int round = 0; round < 40; ++round) {
    const int32_t first = router.add_override("mm", "fast, cpu", nullptr);
    router.set_trace(FL_TRACE_COUNT);
    const int32_t second = router.add_override("mm*", "other", nullptr);
    // Each change is met by calls before the next one, however the threads are scheduled.
    const uint64_t seen = calls.load();
    while (calls.load() < seen + kThreads) std::this_thread::yield();
    router.set_trace(0);
    router.remove_override(first);
    router.remove_override(second);
    if (round % 10 == 0) router.reset();
    if (round % 25 == 0) router.declare_target(other.info());
    router.explain("mm", "host", 0);
  }
  stop = true;
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0u);
  EXPECT_EQ(run("mm").served_by, "cpu");
}

TEST_F(RoutingTest, many_threads_ask_for_the_same_slots) {
  std::vector<std::thread> threads;
  std::vector<std::vector<fl_route_slot*>> seen(kThreads);
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (const auto& [name, id] : ids) {
        for (int32_t driver : {0, 1}) seen[static_cast<size_t>(t)].push_back(router.slot(id, driver));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const auto& slots : seen) EXPECT_EQ(slots, seen[0]);
}

TEST_F(RoutingTest, the_ledger_counts_every_call_of_every_thread) {
  router.set_trace(FL_TRACE_COUNT);
  const fl_route* now = route("mm");
  cpu.inside = [](FakeCall&) { fl_ledger_add_copied(3); };
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 1000; ++i) {
        FakeCall call;
        now->run(now, &call);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  const LedgerRow& row = *router.ledger().row("mm", "host", "cpu");
  EXPECT_EQ(row.calls, 8000u);
  EXPECT_EQ(row.copied_bytes, 24000u);
}

}  // namespace
}  // namespace fl::routing
