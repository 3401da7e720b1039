// Draws from rows of probabilities.
//
// With replacement, or for one sample: the running sum of the row is searched for a uniform number. Without: each
// category gets an exponential waiting time of rate p, and the first ones to arrive are the sample, in order (the order
// statistics of independent exponentials; P. S. Efraimidis, P. G. Spirakis, "Weighted random sampling with a
// reservoir", Information Processing Letters 97, 2006, in logarithms).
#include <algorithm>
#include <atomic>
#include <cmath>
#include <memory>

#include "base/error.h"
#include "base/parallel_for.h"
#include "random/dtype.h"
#include "random/element.h"
#include "random/kernels.h"

namespace fl::random {
namespace {

constexpr int64_t kSamplesAtOnce = 512;
constexpr int64_t kGrain = 2048;  // samples a piece: a search takes about 10 to 100 ns

struct Arrival {
  double time;
  int64_t category;
  bool operator<(const Arrival& other) const {
    return time != other.time ? time < other.time : category < other.category;
  }
};

struct Call {
  uint64_t seed, offset;
  int64_t rows, categories, samples;
  int64_t* out;
};

enum class Flaw { kNone, kEntry, kSum };

// The running sum of a row in float64.
template <class P>
Flaw accumulate(const P* row, int64_t categories, double* sums) {
  double sum = 0;
  bool valid = true;
  for (int64_t c = 0; c < categories; ++c) {
    const auto p = static_cast<double>(widened(row[c]));
    valid &= p >= 0 && p <= std::numeric_limits<double>::max();
    sums[c] = sum += p;
  }
  if (!valid) return Flaw::kEntry;
  return sum > 0 && std::isfinite(sum) ? Flaw::kNone : Flaw::kSum;
}

// The first of `count` ascending sums that is above the target, which the last one is. Halves without a branch: each
// way is as likely as the other, so a predicted branch would be wrong every second time.
int64_t first_above(const double* sums, int64_t count, double target) {
  const double* base = sums;
  while (count > 1) {
    const int64_t half = count / 2;
    base += base[half - 1] <= target ? half : 0;
    count -= half;
  }
  return base - sums;
}

// Each sample is the first category whose running sum is above u * total. u < 1 and the rounding of the product keep it
// below the total, and a category of probability 0 has the sum of the one before it, so it is never the first.
void search(const Call& call, int64_t row, const double* sums) {
  const double total = sums[call.categories - 1];
  parallel_for(0, call.samples, kGrain, [&](int64_t first, int64_t last) {
    double unit[kSamplesAtOnce];
    for (int64_t at = first; at < last; at += kSamplesAtOnce) {
      const int64_t count = std::min(last - at, kSamplesAtOnce), element = row * call.samples + at;
      kernels().uniform({call.seed, call.offset, element, count}, FL_FLOAT64, unit, 0, 1);
      for (int64_t j = 0; j < count; ++j) {
        call.out[element + j] = first_above(sums, call.categories, unit[j] * total);
      }
    }
  });
}

template <class P>
Flaw race(const Call& call, int64_t row, const P* probabilities, Arrival* arrivals) {
  double times[kSamplesAtOnce], sum = 0;
  bool valid = true;
  for (int64_t at = 0; at < call.categories; at += kSamplesAtOnce) {
    const int64_t count = std::min(call.categories - at, kSamplesAtOnce);
    kernels().exponential({call.seed, call.offset, row * call.categories + at, count}, FL_FLOAT64, times, 1);
    for (int64_t j = 0; j < count; ++j) {
      const auto p = static_cast<double>(widened(probabilities[at + j]));
      valid &= p >= 0 && p <= std::numeric_limits<double>::max();
      sum += p;
      arrivals[at + j] = {p > 0 ? times[j] / p : std::numeric_limits<double>::infinity(), at + j};
    }
  }
  if (!valid) return Flaw::kEntry;
  if (sum <= 0) return Flaw::kSum;
  std::nth_element(arrivals, arrivals + call.samples - 1, arrivals + call.categories);
  std::sort(arrivals, arrivals + call.samples);
  for (int64_t s = 0; s < call.samples; ++s) call.out[row * call.samples + s] = arrivals[s].category;
  return Flaw::kNone;
}

// Rows are shared out in as many groups as there are threads, so that scratch memory is made before work begins.
template <class P>
Flaw draw(const Call& call, const P* probabilities, bool independent) {
  const int64_t groups = std::clamp<int64_t>(fl_thread_count(), 1, call.rows);
  const auto scratch_size = static_cast<size_t>(groups * call.categories);
  const auto sums = std::make_unique_for_overwrite<double[]>(independent ? scratch_size : 0);
  const auto arrivals = std::make_unique_for_overwrite<Arrival[]>(independent ? 0 : scratch_size);
  std::atomic<Flaw> found{Flaw::kNone};
  const auto draw_group = [&](int64_t group) {
    for (int64_t row = call.rows * group / groups; row < call.rows * (group + 1) / groups; ++row) {
      const P* entries = probabilities + row * call.categories;
      Flaw flaw;
      if (independent) {
        double* own = sums.get() + group * call.categories;
        flaw = accumulate(entries, call.categories, own);
        if (flaw == Flaw::kNone) search(call, row, own);
      } else {
        flaw = race(call, row, entries, arrivals.get() + group * call.categories);
      }
      if (flaw != Flaw::kNone) found.store(flaw, std::memory_order_relaxed);
    }
  };
  if (groups == 1) {
    draw_group(0);  // not from within a parallel_for, so that the samples of one long row are shared out
  } else {
    parallel_for(0, groups, 1, [&](int64_t first, int64_t last) {
      for (int64_t group = first; group < last; ++group) draw_group(group);
    });
  }
  return found.load();
}

bool draws_are_independent(int64_t samples, int32_t replacement) { return replacement != 0 || samples == 1; }

}  // namespace
}  // namespace fl::random

extern "C" {

using namespace fl::random;

fl_status fl_random_multinomial(uint64_t seed, uint64_t offset, fl_dtype dtype, const void* probabilities, int64_t rows,
                                int64_t categories, int64_t samples, int32_t replacement, int64_t* out) {
  return fl::guarded([&] {
    require_floating("multinomial", dtype);
    require_offset("multinomial", offset);
    if (rows < 0 || categories < 1 || samples < 0) {
      fl::fail(FL_INVALID_ARGUMENT,
               "random multinomial needs rows >= 0, categories >= 1 and samples >= 0; it was given %lld, %lld and %lld",
               (long long)rows, (long long)categories, (long long)samples);
    }
    if (replacement == 0 && samples > categories) {
      fl::fail(FL_INVALID_ARGUMENT,
               "random multinomial cannot draw %lld different samples from %lld categories; allow replacement",
               (long long)samples, (long long)categories);
    }
    if (rows == 0 || samples == 0) return;
    if (probabilities == nullptr || out == nullptr) {
      fl::fail(FL_INVALID_ARGUMENT, "random multinomial: %s is NULL", out == nullptr ? "out" : "probabilities");
    }
    Flaw flaw = Flaw::kNone;
    with_floating(dtype, [&](auto tag) {
      using P = decltype(tag);
      const Call call{seed, offset, rows, categories, samples, out};
      flaw = draw(call, static_cast<const P*>(probabilities), draws_are_independent(samples, replacement));
    });
    if (flaw == Flaw::kEntry) {
      fl::fail(FL_INVALID_ARGUMENT, "random multinomial: a probability is negative, infinite or NaN");
    }
    if (flaw == Flaw::kSum) {
      fl::fail(FL_INVALID_ARGUMENT, "random multinomial: the probabilities of a row sum to 0, or beyond float64");
    }
  });
}

uint64_t fl_random_multinomial_advance(int64_t rows, int64_t categories, int64_t samples, int32_t replacement) {
  return fl_random_advance(rows * (draws_are_independent(samples, replacement) ? samples : categories));
}

}  // extern "C"
