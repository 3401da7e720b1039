// The elementwise functions of random.h: arguments are checked, the span is cut into pieces for the threads, and each
// piece goes to the kernel of this CPU's code path. Where the cuts are has no influence on the result.
#include <atomic>
#include <cmath>

#include "base/error.h"
#include "base/parallel_for.h"
#include "random/dtype.h"
#include "random/kernels.h"
#include "random/philox.h"

namespace fl::random {
namespace {

// Elements a piece: some 10 to 30 microseconds of work, well above the few that it costs to wake a thread.
constexpr int64_t kGrain = 32768;

void require_span(const char* what, const fl_random_span* span) {
  if (span == nullptr) fail(FL_INVALID_ARGUMENT, "random %s: span is NULL; pass seed, offset, first and count", what);
  require_offset(what, span->offset);
  if (span->first < 0 || span->count < 0 || span->count > INT64_MAX - 3 - span->first) {
    fail(FL_INVALID_ARGUMENT, "random %s: first %lld and count %lld do not name elements of a call; both must be >= 0",
         what, static_cast<long long>(span->first), static_cast<long long>(span->count));
  }
}

void require_memory(const char* what, const fl_random_span* span, const void* memory, const char* name) {
  if (memory == nullptr && span->count > 0) {
    fail(FL_INVALID_ARGUMENT, "random %s: %s is NULL, but there are %lld elements to work on", what, name,
         static_cast<long long>(span->count));
  }
}

void require(bool valid, const char* what, const char* rule, double a, double b) {
  if (!valid) fail(FL_INVALID_ARGUMENT, "random %s needs %s; it was given %g and %g", what, rule, a, b);
}
void require(bool valid, const char* what, const char* rule, double a) {
  if (!valid) fail(FL_INVALID_ARGUMENT, "random %s needs %s; it was given %g", what, rule, a);
}

// Calls piece(span of the piece, its first element counted from the span's).
template <class Piece>
void in_pieces(const fl_random_span& span, Piece piece) {
  parallel_for(0, span.count, kGrain, [&](int64_t first, int64_t last) {
    piece(fl_random_span{span.seed, span.offset, span.first + first, last - first}, first);
  });
}

// `memory` moved on by `elements`; NULL stays NULL.
template <class Byte>
Byte* moved(Byte* memory, int64_t elements, size_t size) {
  using Char = std::conditional_t<std::is_const_v<Byte>, const char, char>;
  return memory == nullptr ? nullptr : static_cast<Char*>(memory) + elements * static_cast<int64_t>(size);
}

// A function that writes `out` from two parameters: what most of them are.
template <class... Parameters>
void write(const fl_random_span& span, fl_dtype dtype, void* out,
           void (*kernel)(const fl_random_span&, fl_dtype, void*, Parameters...), Parameters... parameters) {
  const size_t size = traits_of(dtype)->size;
  in_pieces(span, [=](const fl_random_span& piece, int64_t first) {
    kernel(piece, dtype, moved(out, first, size), parameters...);
  });
}

void require_interval(const char* what, const DtypeTraits& traits, double from, double to) {
  require(
      from <= to && std::fabs(from) <= traits.largest && std::fabs(to) <= traits.largest && to - from <= traits.largest,
      what, "finite bounds, the first not above the second, and both and their distance within the dtype", from, to);
}

}  // namespace
}  // namespace fl::random

extern "C" {

using namespace fl;
using namespace fl::random;

fl_status fl_random_uniform(const fl_random_span* span, fl_dtype dtype, void* out, double from, double to) {
  return guarded([&] {
    require_span("uniform", span);
    require_interval("uniform", require_floating("uniform", dtype), from, to);
    require_memory("uniform", span, out, "out");
    write(*span, dtype, out, kernels().uniform, from, to);
  });
}

fl_status fl_random_normal(const fl_random_span* span, fl_dtype dtype, void* out, double mean, double std) {
  return guarded([&] {
    require_span("normal", span);
    require_floating("normal", dtype);
    require(std >= 0, "normal", "std >= 0", std);
    require_memory("normal", span, out, "out");
    write(*span, dtype, out, kernels().normal, mean, std);
  });
}

fl_status fl_random_log_normal(const fl_random_span* span, fl_dtype dtype, void* out, double mean, double std) {
  return guarded([&] {
    require_span("log_normal", span);
    require_floating("log_normal", dtype);
    require(std > 0, "log_normal", "std > 0", std);
    require_memory("log_normal", span, out, "out");
    write(*span, dtype, out, kernels().log_normal, mean, std);
  });
}

fl_status fl_random_exponential(const fl_random_span* span, fl_dtype dtype, void* out, double lambda) {
  return guarded([&] {
    require_span("exponential", span);
    require_floating("exponential", dtype);
    require(lambda > 0, "exponential", "lambda > 0", lambda);
    require_memory("exponential", span, out, "out");
    write(*span, dtype, out, kernels().exponential, lambda);
  });
}

fl_status fl_random_cauchy(const fl_random_span* span, fl_dtype dtype, void* out, double median, double sigma) {
  return guarded([&] {
    require_span("cauchy", span);
    require_floating("cauchy", dtype);
    require(sigma > 0, "cauchy", "sigma > 0", sigma);
    require_memory("cauchy", span, out, "out");
    write(*span, dtype, out, kernels().cauchy, median, sigma);
  });
}

fl_status fl_random_bernoulli(const fl_random_span* span, fl_dtype dtype, void* out, double p) {
  return guarded([&] {
    require_span("bernoulli", span);
    require_any("bernoulli", dtype);
    require(p >= 0 && p <= 1, "bernoulli", "0 <= p <= 1", p);
    require_memory("bernoulli", span, out, "out");
    write(*span, dtype, out, kernels().bernoulli, p);
  });
}

fl_status fl_random_bernoulli_tensor(const fl_random_span* span, fl_dtype dtype, void* out, fl_dtype p_dtype,
                                     const void* probabilities) {
  return guarded([&] {
    require_span("bernoulli", span);
    const size_t size = require_any("bernoulli", dtype).size;
    const size_t p_size = require_floating("bernoulli's probabilities", p_dtype).size;
    require_memory("bernoulli", span, out, "out");
    require_memory("bernoulli", span, probabilities, "probabilities");
    std::atomic<bool> valid{true};
    in_pieces(*span, [&](const fl_random_span& piece, int64_t first) {
      if (!kernels().bernoulli_tensor(piece, dtype, moved(out, first, size), p_dtype,
                                      moved(probabilities, first, p_size))) {
        valid.store(false, std::memory_order_relaxed);
      }
    });
    if (!valid.load()) {
      fail(FL_INVALID_ARGUMENT, "random bernoulli needs probabilities in [0, 1]; at least one is not, or is NaN");
    }
  });
}

fl_status fl_random_geometric(const fl_random_span* span, fl_dtype dtype, void* out, double p) {
  return guarded([&] {
    require_span("geometric", span);
    if (require_any("geometric", dtype).natural_range == 2) {
      fail(FL_UNSUPPORTED, "random geometric counts trials, which bool cannot hold; use an integer dtype");
    }
    require(p > 0 && p <= 1, "geometric", "0 < p <= 1", p);
    require_memory("geometric", span, out, "out");
    write(*span, dtype, out, kernels().geometric, p);
  });
}

fl_status fl_random_integers(const fl_random_span* span, fl_dtype dtype, void* out, int64_t low, uint64_t range) {
  return guarded([&] {
    require_span("integers", span);
    require_any("integers", dtype);
    require_memory("integers", span, out, "out");
    write(*span, dtype, out, kernels().integers, low, range);
  });
}

fl_status fl_random_dropout(const fl_random_span* span, fl_dtype dtype, const void* in, void* out, uint8_t* mask,
                            double p) {
  return guarded([&] {
    require_span("dropout", span);
    const size_t size = require_floating("dropout", dtype).size;
    require(p >= 0 && p <= 1, "dropout", "0 <= p <= 1", p);
    require_memory("dropout", span, in, "in");
    require_memory("dropout", span, out, "out");
    in_pieces(*span, [&](const fl_random_span& piece, int64_t first) {
      kernels().dropout(piece, dtype, moved(in, first, size), moved(out, first, size),
                        mask == nullptr ? nullptr : mask + first, p);
    });
  });
}

fl_status fl_random_rrelu(const fl_random_span* span, fl_dtype dtype, const void* in, void* out, void* noise,
                          double lower, double upper) {
  return guarded([&] {
    require_span("rrelu", span);
    const DtypeTraits& traits = require_floating("rrelu", dtype);
    require_interval("rrelu", traits, lower, upper);
    require_memory("rrelu", span, in, "in");
    require_memory("rrelu", span, out, "out");
    require_memory("rrelu", span, noise, "noise");
    in_pieces(*span, [&](const fl_random_span& piece, int64_t first) {
      kernels().rrelu(piece, dtype, moved(in, first, traits.size), moved(out, first, traits.size),
                      moved(noise, first, traits.size), lower, upper);
    });
  });
}

uint64_t fl_random_derive_seed(uint64_t seed, uint64_t offset) {
  return philox_draw(seed, block_of(offset, 0), 0).pair(0);
}

}  // extern "C"
