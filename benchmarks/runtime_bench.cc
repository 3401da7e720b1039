// What the runtime costs, against what a program would use in its place, interleaved in one run: the median of each and
// the ratio. A device is named by FLAGOS_DRIVER; without it the host driver is measured.
//
//   runtime_bench [rounds]
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include "flagos/flagos.h"

namespace {

using Clock = std::chrono::steady_clock;

void must(fl_status status) {
  if (status == FL_OK) return;
  std::fprintf(stderr, "%s\n", fl_last_error());
  std::exit(1);
}

template <class Body>
double nanoseconds_each(int repeats, const Body& body) {
  const auto begin = Clock::now();
  for (int i = 0; i < repeats; ++i) body(i);
  return std::chrono::duration<double, std::nano>(Clock::now() - begin).count() / repeats;
}

double median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2), values.end());
  return values[values.size() / 2];
}

// Measures both in turn, so that a change of the machine's speed meets both.
template <class Ours, class Rival>
void compare(const char* what, int rounds, int repeats, const Ours& ours, const Rival& rival) {
  std::vector<double> our_times, rival_times;
  for (int round = 0; round < rounds; ++round) {
    our_times.push_back(nanoseconds_each(repeats, ours));
    rival_times.push_back(nanoseconds_each(repeats, rival));
  }
  const double our_median = median(our_times), rival_median = median(rival_times);
  std::printf("%-52s %12.1f ns %12.1f ns   %6.3fx\n", what, our_median, rival_median, our_median / rival_median);
}

// The compiler must not see that nobody reads the memory.
void keep(void* pointer) { asm volatile("" : : "r"(pointer) : "memory"); }

}  // namespace

int main(int argc, char** argv) {
  const int rounds = argc > 1 ? std::atoi(argv[1]) : 31;
  fl_stream* stream = nullptr;
  must(fl_stream_default(0, &stream));
  std::printf("%-52s %15s %15s   %7s\n", "", "flagos", "malloc/free", "ratio");

  const auto pair = [&](uint64_t size) {
    return [stream, size](int) {
      fl_block* block = nullptr;
      must(fl_block_allocate(stream, size, &block));
      keep(block);
      fl_block_release(block);
    };
  };
  const auto malloc_pair = [](uint64_t size) {
    return [size](int) {
      void* pointer = std::malloc(size);
      keep(pointer);
      std::free(pointer);
    };
  };
  compare("allocate + release, 64 bytes", rounds, 100'000, pair(64), malloc_pair(64));
  compare("allocate + release, 64 KiB", rounds, 100'000, pair(64 << 10), malloc_pair(64 << 10));
  compare("allocate + release, 4 MiB", rounds, 10'000, pair(4 << 20), malloc_pair(4 << 20));
  compare("allocate + release, 64 MiB", rounds, 10'000, pair(64 << 20), malloc_pair(64 << 20));

  // 256 blocks of mixed sizes, released in another order: what a training step does to the small pool.
  constexpr int kBatch = 256;
  const auto size_of = [](int i) { return static_cast<uint64_t>(64 + (i * 7919 % 61) * 1000); };
  compare(
      "256 blocks of mixed sizes, released out of order", rounds, 200,
      [&](int) {
        fl_block* blocks[kBatch];
        for (int i = 0; i < kBatch; ++i) must(fl_block_allocate(stream, size_of(i), &blocks[i]));
        for (int i = 0; i < kBatch; ++i) fl_block_release(blocks[i * 77 % kBatch]);
      },
      [&](int) {
        void* blocks[kBatch];
        for (int i = 0; i < kBatch; ++i) keep(blocks[i] = std::malloc(size_of(i)));
        for (int i = 0; i < kBatch; ++i) std::free(blocks[i * 77 % kBatch]);
      });

  fl_device_info info{};
  info.struct_size = sizeof(info);
  must(fl_device_get_info(0, &info));
  if (info.capabilities & FL_CAP_HOST_ACCESS) {
    constexpr size_t kBig = 64 << 20;
    compare(
        "64 MiB: allocate, write every page, release", std::min(rounds, 15), 1,
        [&](int) {
          fl_block* block = nullptr;
          must(fl_block_allocate(stream, kBig, &block));
          auto* bytes = reinterpret_cast<char*>(block->address);
          for (size_t at = 0; at < kBig; at += 4096) bytes[at] = 1;
          keep(bytes);
          fl_block_release(block);
        },
        [&](int) {
          auto* bytes = static_cast<char*>(std::malloc(kBig));
          for (size_t at = 0; at < kBig; at += 4096) bytes[at] = 1;
          keep(bytes);
          std::free(bytes);
        });
  }
  return 0;
}
