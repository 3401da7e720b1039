// Every elementwise function of random.h behind one signature, so that what holds for all of them is tested once.
#ifndef FLAGOS_TESTS_RANDOM_CALLS_H_
#define FLAGOS_TESTS_RANDOM_CALLS_H_

#include <functional>
#include <string>
#include <vector>

#include "random/kernels.h"
#include "sample.h"

namespace fl::random::testing {

// Inputs of the functions that have any: element i of a call is a fixed function of i.
inline std::vector<char> inputs(fl_dtype dtype, const fl_random_span& span, double scale, double shift) {
  std::vector<double> values;
  for (int64_t i = span.first; i < span.first + span.count; ++i) {
    values.push_back(shift + scale * static_cast<double>(i % 101) / 101);
  }
  return from_doubles(dtype, values);
}

struct ElementwiseCall {
  std::string name;
  fl_dtype dtype;
  // All that one call writes, by a table of kernels or (with nullptr) by the public function.
  std::function<std::vector<char>(const Kernels*, const fl_random_span&)> bytes;
};

inline std::vector<ElementwiseCall> elementwise_calls() {
  std::vector<ElementwiseCall> calls;
  const auto add = [&](const char* name, fl_dtype dtype, auto kernel, auto function, auto... parameters) {
    calls.push_back({std::string(name) + " " + traits_of(dtype)->name, dtype,
                     [=](const Kernels* kernels, const fl_random_span& span) {
                       std::vector<char> out = memory(dtype, span.count);
                       if (kernels != nullptr)
                         (kernels->*kernel)(span, dtype, out.data(), parameters...);
                       else
                         EXPECT_EQ(function(&span, dtype, out.data(), parameters...), FL_OK) << fl_last_error();
                       return out;
                     }});
  };
  for (fl_dtype dtype : kFloatingDtypes) {
    add("uniform", dtype, &Kernels::uniform, fl_random_uniform, -1.5, 4.0);
    add("normal", dtype, &Kernels::normal, fl_random_normal, 0.5, 2.0);
    add("log_normal", dtype, &Kernels::log_normal, fl_random_log_normal, 0.25, 1.5);
    add("exponential", dtype, &Kernels::exponential, fl_random_exponential, 1.25);
    add("cauchy", dtype, &Kernels::cauchy, fl_random_cauchy, 0.5, 3.0);
    calls.push_back({std::string("dropout ") + traits_of(dtype)->name, dtype,
                     [=](const Kernels* kernels, const fl_random_span& span) {
                       const std::vector<char> in = inputs(dtype, span, 2.0, -1.0);
                       std::vector<char> out = memory(dtype, span.count), mask = memory(FL_BOOL, span.count);
                       auto* kept = reinterpret_cast<uint8_t*>(mask.data());
                       if (kernels != nullptr)
                         kernels->dropout(span, dtype, in.data(), out.data(), kept, 0.3);
                       else
                         EXPECT_EQ(fl_random_dropout(&span, dtype, in.data(), out.data(), kept, 0.3), FL_OK);
                       // Interleaved by element, so that a piece of the call is a piece of the bytes.
                       std::vector<char> both;
                       const size_t size = traits_of(dtype)->size;
                       for (size_t i = 0; i < mask.size(); ++i) {
                         both.insert(both.end(), out.data() + i * size, out.data() + (i + 1) * size);
                         both.push_back(mask[i]);
                       }
                       return both;
                     }});
    calls.push_back({std::string("rrelu ") + traits_of(dtype)->name, dtype,
                     [=](const Kernels* kernels, const fl_random_span& span) {
                       const std::vector<char> in = inputs(dtype, span, 2.0, -1.0);
                       std::vector<char> out = memory(dtype, span.count), noise = out;
                       if (kernels != nullptr)
                         kernels->rrelu(span, dtype, in.data(), out.data(), noise.data(), 0.1, 0.4);
                       else
                         EXPECT_EQ(fl_random_rrelu(&span, dtype, in.data(), out.data(), noise.data(), 0.1, 0.4), FL_OK);
                       std::vector<char> both;
                       const size_t size = traits_of(dtype)->size;
                       for (size_t at = 0; at < out.size(); at += size) {
                         both.insert(both.end(), out.data() + at, out.data() + at + size);
                         both.insert(both.end(), noise.data() + at, noise.data() + at + size);
                       }
                       return both;
                     }});
  }
  for (fl_dtype dtype : kDtypes) {
    add("bernoulli", dtype, &Kernels::bernoulli, fl_random_bernoulli, 0.375);
    if (dtype != FL_BOOL) add("geometric", dtype, &Kernels::geometric, fl_random_geometric, 0.2);
    add("integers", dtype, &Kernels::integers, fl_random_integers, int64_t{-3}, uint64_t{100});
    // A range that rejects almost every second word, narrow and wide, and the full one.
    add("integers 2^31+1", dtype, &Kernels::integers, fl_random_integers, int64_t{0}, (uint64_t{1} << 31) + 1);
    add("integers 2^63+1", dtype, &Kernels::integers, fl_random_integers, int64_t{0}, (uint64_t{1} << 63) + 1);
    add("integers 2^64", dtype, &Kernels::integers, fl_random_integers, INT64_MIN, uint64_t{0});
    for (fl_dtype p_dtype : {FL_FLOAT32, FL_BFLOAT16, FL_FLOAT64, FL_FLOAT16}) {
      if (p_dtype != FL_FLOAT32 && dtype != FL_FLOAT32) continue;
      calls.push_back({std::string("bernoulli_tensor ") + traits_of(dtype)->name, dtype,
                       [=](const Kernels* kernels, const fl_random_span& span) {
                         const std::vector<char> p = inputs(p_dtype, span, 1.0, 0.0);
                         std::vector<char> out = memory(dtype, span.count);
                         if (kernels != nullptr) {
                           EXPECT_TRUE(kernels->bernoulli_tensor(span, dtype, out.data(), p_dtype, p.data()));
                         } else {
                           EXPECT_EQ(fl_random_bernoulli_tensor(&span, dtype, out.data(), p_dtype, p.data()), FL_OK);
                         }
                         return out;
                       }});
    }
  }
  return calls;
}

}  // namespace fl::random::testing

#endif  // FLAGOS_TESTS_RANDOM_CALLS_H_
