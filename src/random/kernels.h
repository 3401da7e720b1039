// The table of elementwise kernels that each code path fills in.
//
// A kernel writes the elements of its span on the calling thread. Arguments have been checked (elementwise.cc): dtypes
// are listed ones, numbers are in range. `out`, `in` ... point at the span's first element.
#ifndef FLAGOS_RANDOM_KERNELS_H_
#define FLAGOS_RANDOM_KERNELS_H_

#include "flagos/random.h"

namespace fl::random {

struct Kernels {
  const char* name;
  void (*uniform)(const fl_random_span& span, fl_dtype dtype, void* out, double from, double to);
  void (*normal)(const fl_random_span& span, fl_dtype dtype, void* out, double mean, double std);
  void (*log_normal)(const fl_random_span& span, fl_dtype dtype, void* out, double mean, double std);
  void (*exponential)(const fl_random_span& span, fl_dtype dtype, void* out, double lambda);
  void (*cauchy)(const fl_random_span& span, fl_dtype dtype, void* out, double median, double sigma);
  void (*bernoulli)(const fl_random_span& span, fl_dtype dtype, void* out, double p);
  // False if a probability lies outside [0, 1].
  bool (*bernoulli_tensor)(const fl_random_span& span, fl_dtype dtype, void* out, fl_dtype p_dtype, const void* p);
  void (*geometric)(const fl_random_span& span, fl_dtype dtype, void* out, double p);
  void (*integers)(const fl_random_span& span, fl_dtype dtype, void* out, int64_t low, uint64_t range);
  void (*dropout)(const fl_random_span& span, fl_dtype dtype, const void* in, void* out, uint8_t* mask, double p);
  void (*rrelu)(const fl_random_span& span, fl_dtype dtype, const void* in, void* out, void* noise, double lower,
                double upper);
  // The words of the span's elements in one draw: what permutations are made from.
  void (*words)(const fl_random_span& span, uint32_t draw, uint32_t* out);
};

extern const Kernels kGenericKernels;
#if defined(__x86_64__)
extern const Kernels kV3Kernels, kV4Kernels;
#endif

// The best table for this CPU, chosen once.
const Kernels& kernels();

// Every table that this CPU can run; ends with nullptr. For tests and benchmarks.
const Kernels* const* runnable_kernels();

}  // namespace fl::random

#endif  // FLAGOS_RANDOM_KERNELS_H_
