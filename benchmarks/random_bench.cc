// What a random number costs: nanoseconds an element for each distribution and dtype, into memory that is already
// there, on one thread and on two. The median of some rounds; two threads as a share of one. The comparison with
// PyTorch is `python -m benchmarks randoms`.
//
//   random_bench [elements, 2^24 if not named] [rounds]
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "flagos/flagos.h"

namespace {

using Clock = std::chrono::steady_clock;

void must(fl_status status) {
  if (status == FL_OK) return;
  std::fprintf(stderr, "%s\n", fl_last_error());
  std::exit(1);
}

// A pool of exactly one thread, and one of exactly two: the call's range cut in halves.
void on_one(int64_t begin, int64_t end, int64_t, fl_range_body body, void* context) {
  if (begin < end) body(context, begin, end);
}
void on_two(int64_t begin, int64_t end, int64_t grain, fl_range_body body, void* context) {
  const int64_t middle = begin + (end - begin) / 2;
  if (middle - begin < grain) return on_one(begin, end, grain, body, context);
  std::thread second([=] { body(context, middle, end); });
  body(context, begin, middle);
  second.join();
}
const fl_thread_pool kOne{sizeof kOne, on_one, [] { return 1; }};
const fl_thread_pool kTwo{sizeof kTwo, on_two, [] { return 2; }};

double median_nanoseconds(int rounds, const std::function<void()>& body) {
  std::vector<double> times;
  for (int round = 0; round < rounds; ++round) {
    const auto begin = Clock::now();
    body();
    times.push_back(std::chrono::duration<double, std::nano>(Clock::now() - begin).count());
  }
  std::nth_element(times.begin(), times.begin() + rounds / 2, times.end());
  return times[static_cast<size_t>(rounds / 2)];
}

std::string processor() {
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);) {
    if (line.starts_with("model name")) return line.substr(line.find(':') + 2);
  }
  return "unknown processor";
}

}  // namespace

int main(int argc, char** argv) {
  const int64_t n = argc > 1 ? std::atoll(argv[1]) : int64_t{1} << 24;
  const int rounds = argc > 2 ? std::atoi(argv[2]) : 5;
  if (n < 1 || rounds < 1) {
    std::fprintf(stderr, "usage: random_bench [elements] [rounds], both at least 1\n");
    return 2;
  }
  std::vector<double> out(static_cast<size_t>(n)), other(out);
  std::vector<uint8_t> mask(static_cast<size_t>(n));
  const fl_random_span span{1, 0, 0, n};

  std::printf("%s, %s, %lld elements; ns an element on one thread, time on two threads as a share of it\n",
              processor().c_str(), fl_random_code_path(), static_cast<long long>(n));
  const auto row = [&](const char* what, const char* dtype, const std::function<fl_status()>& call) {
    fl_set_thread_pool(&kOne);
    must(call());
    const double one = median_nanoseconds(rounds, [&] { must(call()); });
    fl_set_thread_pool(&kTwo);
    const double two = median_nanoseconds(rounds, [&] { must(call()); });
    fl_set_thread_pool(nullptr);
    std::printf("%-28s %-9s %8.3f ns %7.2fx\n", what, dtype, one / static_cast<double>(n), two / one);
  };

  struct Type {
    fl_dtype dtype;
    const char* name;
    bool floating;
  };
  for (const auto& [type, name, floating] :
       {Type{FL_FLOAT32, "float32", true}, Type{FL_FLOAT64, "float64", true}, Type{FL_FLOAT16, "float16", true},
        Type{FL_BFLOAT16, "bfloat16", true}, Type{FL_INT64, "int64", false}, Type{FL_BOOL, "bool", false}}) {
    const fl_dtype dtype = type;
    void* to = out.data();
    if (floating) {
      // Inputs of 0.5 in every element.
      must(fl_random_uniform(&span, dtype, other.data(), 0.5, 0.5));
      row("uniform", name, [&] { return fl_random_uniform(&span, dtype, to, 0, 1); });
      row("normal", name, [&] { return fl_random_normal(&span, dtype, to, 0, 1); });
      row("log_normal", name, [&] { return fl_random_log_normal(&span, dtype, to, 0, 1); });
      row("exponential", name, [&] { return fl_random_exponential(&span, dtype, to, 1); });
      row("cauchy", name, [&] { return fl_random_cauchy(&span, dtype, to, 0, 1); });
      row("dropout", name, [&] { return fl_random_dropout(&span, dtype, other.data(), to, mask.data(), 0.1); });
      row("rrelu", name, [&] { return fl_random_rrelu(&span, dtype, other.data(), other.data(), to, 0.125, 0.25); });
      row("bernoulli, p a tensor", name,
          [&] { return fl_random_bernoulli_tensor(&span, dtype, to, dtype, other.data()); });
    }
    row("bernoulli", name, [&] { return fl_random_bernoulli(&span, dtype, to, 0.5); });
    if (dtype == FL_BOOL) continue;
    row("geometric", name, [&] { return fl_random_geometric(&span, dtype, to, 0.25); });
    row("integers below 1000", name, [&] { return fl_random_integers(&span, dtype, to, 0, 1000); });
    row("integers below 2^40", name, [&] { return fl_random_integers(&span, dtype, to, 0, uint64_t{1} << 40); });
  }
  row("permutation", "int64", [&] { return fl_random_permutation(1, 0, FL_INT64, out.data(), n); });
  must(fl_random_uniform(&span, FL_FLOAT32, other.data(), 0, 1));
  auto* drawn = reinterpret_cast<int64_t*>(out.data());
  const int64_t rows = std::max<int64_t>(1, n / 32768), categories = n / rows;
  row("multinomial, 1 of 32768 (a category)", "float32",
      [&] { return fl_random_multinomial(1, 0, FL_FLOAT32, other.data(), rows, categories, 1, 0, drawn); });
  row("multinomial, half of 32768", "float32", [&] {
    return fl_random_multinomial(1, 0, FL_FLOAT32, other.data(), rows, categories, std::max<int64_t>(1, categories / 2),
                                 0, drawn);
  });
  row("multinomial, replaced", "float32",
      [&] { return fl_random_multinomial(1, 0, FL_FLOAT32, other.data(), rows, categories, categories, 1, drawn); });
}
