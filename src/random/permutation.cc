// Random permutations by Rao's and Sandelius's method: each number goes to a bucket chosen at random, then each bucket
// is shuffled on its own. Every permutation is equally likely, as with one big shuffle; but the buckets fit the cache
// and are independent, so that the work parallelises. Which thread does what has no influence on the result.
//
// C. R. Rao, "Generation of random permutations of given number of elements using random sampling numbers", Sankhya 23,
// 1961; M. Sandelius, "A simple randomization procedure", J. Royal Stat. Soc. B 24, 1962. The shuffle of a bucket is
// R. Durstenfeld's (Communications of the ACM 7, 1964).
#include <bit>
#include <memory>
#include <vector>

#include "base/error.h"
#include "base/parallel_for.h"
#include "random/dtype.h"
#include "random/element.h"
#include "random/kernels.h"
#include "random/philox.h"

namespace fl::random {
namespace {

// One bucket up to here: 256 KiB of 4-byte numbers, which the second-level cache holds.
constexpr int64_t kBucketLimit = int64_t{1} << 16;
constexpr int64_t kMostBuckets = int64_t{1} << 11;  // more write streams than this thrash the address translation
constexpr int64_t kChunk = int64_t{1} << 17;        // numbers that are distributed together
constexpr int64_t kWordsAtOnce = 1024;
constexpr uint32_t kBucketDraw = 0, kShuffleDraw = 1;

struct Stream {
  uint64_t seed, offset;
};

// Calls body(element, its word in `draw`) for [first, last), in ascending order.
template <class Body>
void for_each_word(Stream stream, uint32_t draw, int64_t first, int64_t last, Body body) {
  uint32_t words[kWordsAtOnce];
  for (int64_t at = first; at < last; at += kWordsAtOnce) {
    const int64_t count = last - at < kWordsAtOnce ? last - at : kWordsAtOnce;
    kernels().words({stream.seed, stream.offset, at, count}, draw, words);
    for (int64_t j = 0; j < count; ++j) body(at + j, words[j]);
  }
}

// Uniform on [0, range), range <= 2^32, from the element's word in kShuffleDraw and, where that is rejected, later
// draws. Lemire's method: the upper half of word * range; the division that finds what to reject is seldom needed.
int64_t bounded(Stream stream, int64_t element, uint32_t word, uint64_t range) {
  uint64_t product = word * range;
  if (static_cast<uint32_t>(product) < range) {
    const auto rejected_below = static_cast<uint32_t>((uint64_t{1} << 32) % range);
    for (uint32_t draw = kShuffleDraw + 1; static_cast<uint32_t>(product) < rejected_below; ++draw) {
      product = philox_draw(stream.seed, block_of(stream.offset, element), draw).word[element % 4] * range;
    }
  }
  return static_cast<int64_t>(product >> 32);
}

// Shuffles numbers[first, last). Number k changes places with one at or before it, and uses the word of element k.
template <class Number>
void shuffle(Stream stream, Number* numbers, int64_t first, int64_t last) {
  for_each_word(stream, kShuffleDraw, first, last, [=](int64_t k, uint32_t word) {
    const int64_t other = first + bounded(stream, k, word, static_cast<uint64_t>(k - first + 1));
    const Number moved = numbers[other];
    numbers[other] = numbers[k];
    numbers[k] = moved;
  });
}

// Writes 0 .. n-1 to `numbers`, bucket after bucket, ascending within each. Returns where the buckets begin, and n.
template <class Number>
std::vector<int64_t> distribute(Stream stream, Number* numbers, int64_t n) {
  const auto wanted = static_cast<uint64_t>((n + kBucketLimit - 1) / kBucketLimit);
  const int64_t buckets = std::min(static_cast<int64_t>(std::bit_ceil(wanted)), kMostBuckets);
  const int shift = 32 - std::countr_zero(static_cast<uint64_t>(buckets));  // 32 for one bucket
  const auto bucket_of = [=](uint32_t word) { return static_cast<int64_t>(static_cast<uint64_t>(word) >> shift); };

  const int64_t chunks = (n + kChunk - 1) / kChunk;
  std::vector<int64_t> next(static_cast<size_t>(chunks * buckets));  // [chunk][bucket]: counts, then write positions
  const auto row = [&](int64_t chunk) { return next.data() + chunk * buckets; };
  const auto end_of = [=](int64_t chunk) { return std::min(n, (chunk + 1) * kChunk); };
  parallel_for(0, chunks, 1, [&](int64_t begin, int64_t end) {
    for (int64_t chunk = begin; chunk < end; ++chunk) {
      for_each_word(stream, kBucketDraw, chunk * kChunk, end_of(chunk),
                    [&, counts = row(chunk)](int64_t, uint32_t word) { ++counts[bucket_of(word)]; });
    }
  });

  std::vector<int64_t> begins(static_cast<size_t>(buckets) + 1);
  int64_t total = 0;
  for (int64_t bucket = 0; bucket < buckets; ++bucket) {
    begins[static_cast<size_t>(bucket)] = total;
    for (int64_t chunk = 0; chunk < chunks; ++chunk) {
      const int64_t count = row(chunk)[bucket];
      row(chunk)[bucket] = total;
      total += count;
    }
  }
  begins.back() = n;

  parallel_for(0, chunks, 1, [&](int64_t begin, int64_t end) {
    for (int64_t chunk = begin; chunk < end; ++chunk) {
      for_each_word(stream, kBucketDraw, chunk * kChunk, end_of(chunk),
                    [&, positions = row(chunk)](int64_t element, uint32_t word) {
                      numbers[positions[bucket_of(word)]++] = static_cast<Number>(element);
                    });
    }
  });
  return begins;
}

template <class Number, class T>
void permutation(Stream stream, T* out, int64_t n) {
  const auto numbers = std::make_unique_for_overwrite<Number[]>(static_cast<size_t>(n));
  const std::vector<int64_t> begins = distribute(stream, numbers.get(), n);
  parallel_for(0, static_cast<int64_t>(begins.size()) - 1, 1, [&](int64_t bucket, int64_t end) {
    for (; bucket < end; ++bucket) {
      const int64_t first = begins[static_cast<size_t>(bucket)], last = begins[static_cast<size_t>(bucket) + 1];
      shuffle(stream, numbers.get(), first, last);
      for (int64_t k = first; k < last; ++k) {
        if constexpr (kFloating<T>)
          out[k] = rounded<T>(static_cast<Computed<T>>(numbers[static_cast<size_t>(k)]));
        else
          out[k] = static_cast<T>(numbers[static_cast<size_t>(k)]);
      }
    }
  });
}

}  // namespace
}  // namespace fl::random

extern "C" fl_status fl_random_permutation(uint64_t seed, uint64_t offset, fl_dtype dtype, void* out, int64_t n) {
  using namespace fl::random;
  return fl::guarded([&] {
    const DtypeTraits& traits = require_any("permutation", dtype);
    require_offset("permutation", offset);
    if (n < 0) fl::fail(FL_INVALID_ARGUMENT, "random permutation needs n >= 0; it was given %lld", (long long)n);
    const bool representable = traits.natural_range == 0 || static_cast<uint64_t>(n) <= traits.natural_range;
    if (dtype == FL_BOOL || !representable) {
      fl::fail(FL_INVALID_ARGUMENT,
               "random permutation: %s cannot hold each of 0 .. n-1 for n = %lld; use a wider dtype", traits.name,
               (long long)n);
    }
    if (n == 0) return;
    if (out == nullptr) fl::fail(FL_INVALID_ARGUMENT, "random permutation: out is NULL, but n is %lld", (long long)n);
    with_element(dtype, [&](auto tag) {
      using T = decltype(tag);
      if constexpr (!std::is_same_v<T, bool>) {
        const Stream stream{seed, offset};
        if (n <= int64_t{1} << 32)
          permutation<uint32_t>(stream, static_cast<T*>(out), n);
        else
          permutation<uint64_t>(stream, static_cast<T*>(out), n);
      }
    });
  });
}
