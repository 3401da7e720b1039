// What a routed call costs over a direct call of the same target, and how often it allocates: the promises are at most
// 10 ns and no allocation on a plain route. Both ways run in turn, so that a change of the machine's speed meets both.
//
//   routing_bench [--json] [rounds]
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>
#include <vector>

#include "flagos/flagos.h"

namespace {

std::atomic<uint64_t> g_allocations{0};

}  // namespace

// The program's operator new serves the libraries too, so that what they allocate is counted.
void* operator new(size_t size) {
  g_allocations.fetch_add(1, std::memory_order_relaxed);
  if (void* memory = std::malloc(size == 0 ? 1 : size)) return memory;
  throw std::bad_alloc();
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, size_t) noexcept { std::free(memory); }

namespace {

using Clock = std::chrono::steady_clock;

constexpr int kCalls = 100000;  // a round of one way: a millisecond or less
constexpr uint64_t kFloat64 = FL_TRAIT_DTYPE(7);

struct Call {
  uint64_t traits = 0;
  uint64_t served = 0;
};

fl_outcome serve(void*, void* call) {
  ++static_cast<Call*>(call)->served;
  return FL_ROUTE_DONE;
}

void must(fl_status status) {
  if (status == FL_OK) return;
  std::fprintf(stderr, "%s\n", fl_last_error());
  std::exit(1);
}

fl_route_slot* declared(const char* op) {
  const fl_operator_info info{sizeof info, op, "plain", nullptr};
  int32_t id = -1;
  must(fl_routing_declare_operator(&info, &id));
  fl_route_slot* slot = nullptr;
  must(fl_routing_slot(id, 0, &slot));
  return slot;
}

void declare_target(const char* name, uint64_t mask) {
  fl_target_info info{};
  info.struct_size = sizeof info;
  info.name = name;
  info.mask = mask;
  info.run = serve;
  must(fl_routing_declare_target(&info, nullptr));
}

double direct_ns(Call& call) {
  fl_target_run run = serve;
  const auto start = Clock::now();
  for (int i = 0; i < kCalls; ++i) {
    asm volatile("" : "+r"(run));  // an adapter's pointer, of which the compiler knows nothing
    run(nullptr, &call);
  }
  return std::chrono::duration<double, std::nano>(Clock::now() - start).count() / kCalls;
}

double routed_ns(fl_route_slot* slot, Call& call) {
  const auto start = Clock::now();
  for (int i = 0; i < kCalls; ++i) {
    const fl_route* route = __atomic_load_n(&slot->route, __ATOMIC_ACQUIRE);
    route->run(route, &call);
  }
  return std::chrono::duration<double, std::nano>(Clock::now() - start).count() / kCalls;
}

struct Spread {
  double low, median, high;  // quartiles
};

Spread spread(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const size_t n = values.size();
  return {values[n / 4], values[n / 2], values[n * 3 / 4]};
}

struct Measured {
  const char* name;
  const char* what;
  Spread direct, routed, over;
  double allocations;  // a call
};

Measured measure(const char* name, const char* what, fl_route_slot* slot, uint64_t traits, int rounds) {
  Call call{traits, 0};
  routed_ns(slot, call);  // to warm up
  std::vector<double> direct, routed, over;
  for (int round = 0; round < rounds; ++round) {
    direct.push_back(direct_ns(call));
    routed.push_back(routed_ns(slot, call));
    over.push_back(routed.back() - direct.back());
  }
  const uint64_t before = g_allocations.load();
  routed_ns(slot, call);
  const double allocations = static_cast<double>(g_allocations.load() - before) / kCalls;
  return {name, what, spread(direct), spread(routed), spread(over), allocations};
}

}  // namespace

int main(int argc, char** argv) {
  bool json = false;
  int rounds = 101;
  for (int i = 1; i < argc; ++i) {
    if (std::strcmp(argv[i], "--json") == 0) {
      json = true;
    } else {
      rounds = std::max(1, std::atoi(argv[i]));
    }
  }
  fl_routing_adapter adapter{};
  adapter.struct_size = sizeof adapter;
  adapter.traits = [](void* call) { return static_cast<Call*>(call)->traits; };
  adapter.describe = [](void*, fl_text_sink, void*) {};
  adapter.signature = [](void*) { return uint64_t{0}; };
  adapter.shadow = [](void* call, fl_target_run run, void* data, fl_target_run, void*, fl_text_sink, void*,
                      fl_outcome* outcome) -> int32_t {
    *outcome = run(data, call);
    return 0;
  };
  adapter.raise = [](fl_status) { std::abort(); };
  fl_routing_set_adapter(&adapter);
  must(fl_routing_declare_driver(0, "host"));
  declare_target("plain", ~uint64_t{0});
  declare_target("picky", ~kFloat64);
  fl_route_slot* const plain = declared("plain_op");
  fl_route_slot* const chain = declared("chain_op");
  must(fl_routing_override("chain_op", "picky, plain", nullptr, nullptr));
  fl_route_slot* const counted = declared("counted_op");

  std::vector<Measured> rows;
  rows.push_back(measure("plain", "one target that serves every call", plain, 0, rounds));
  rows.push_back(measure("chain_first", "two targets, the first serves the call", chain, 0, rounds));
  rows.push_back(measure("chain_second", "two targets, the call's traits lead to the second", chain, kFloat64, rounds));
  must(fl_routing_set_trace(FL_TRACE_COUNT));
  rows.push_back(measure("counted", "one target, with the ledger on", counted, 0, rounds));
  must(fl_routing_set_trace(0));

  if (json) {
    std::printf("{\"rounds\":%d,\"calls_a_round\":%d,\"rows\":[", rounds, kCalls);
    for (size_t i = 0; i < rows.size(); ++i) {
      const Measured& row = rows[i];
      std::printf(
          "%s{\"name\":\"%s\",\"direct_ns\":%.3f,\"routed_ns\":%.3f,\"over_ns\":%.3f,\"over_ns_quartiles\":[%.3f,%.3f],"
          "\"allocations_a_call\":%.6f}",
          i > 0 ? "," : "", row.name, row.direct.median, row.routed.median, row.over.median, row.over.low,
          row.over.high, row.allocations);
    }
    std::printf("]}\n");
  } else {
    std::printf("%-52s %10s %10s %10s %17s %12s\n", "a call, ns (median)", "direct", "routed", "over", "quartiles",
                "allocations");
    for (const Measured& row : rows) {
      std::printf("%-52s %10.2f %10.2f %10.2f   %6.2f .. %5.2f %12g\n", row.what, row.direct.median, row.routed.median,
                  row.over.median, row.over.low, row.over.high, row.allocations);
    }
  }
  // The promise is about the plain route; the exit status tells whether it is kept.
  return rows[0].over.median <= 10 && rows[0].allocations == 0 ? 0 : 1;
}
