// The elementwise kernels, written as formulas of one element. Included by kernels_*.cc, once a code path.
//
// A tile of raw values (words, pairs of words, or normals) is made in the first-level cache, then one loop turns it
// into results. The loops are free of branches, so the compiler vectorises them for each instruction set.
#include "random/element.h"
#include "random/elementary.h"
#include "random/kernels.h"
#include "random/philox_tile.h"

// No iteration of the next loop touches what another one writes: `out` may be `in`, but only at the same element.
#if defined(__clang__)
#define FL_INDEPENDENT _Pragma("clang loop vectorize(assume_safety)")
#else
#define FL_INDEPENDENT _Pragma("GCC ivdep")
#endif

namespace fl::random {
namespace {

// Elements made at once: a multiple of every code path's step, small enough that words and results of a tile stay in
// the first-level cache, large enough that the set-up of a tile is lost in it.
constexpr int64_t kTile = 512;

constexpr int64_t rounded_up(int64_t n, int64_t step) { return (n + step - 1) / step * step; }

// ---- Sources: fill(raw, count, seed, block) makes the raw values of `count` elements that begin at `block` ----

struct Words {  // one word an element
  using Raw = uint32_t;
  static void fill(Raw* raw, int64_t count, uint64_t seed, uint64_t block) {
    fill_words<Draws::kOne>(raw, rounded_up(count, kWordsPerStep), seed, block);
  }
};

struct Pairs {  // 64 bits an element: elements 0 and 1 of a block from its draw 0, elements 2 and 3 from draw 1
  using Raw = uint64_t;
  static void fill(Raw* raw, int64_t count, uint64_t seed, uint64_t block) {
    fill_words<Draws::kTwo>(reinterpret_cast<uint32_t*>(raw), rounded_up(2 * count, kWordsPerStep), seed, block);
  }
};

// Standard normals by Box and Muller's transform: neighbours 2k, 2k + 1 take their radius from one raw value of Bits
// and their direction from the next.
template <class Bits, class Real>
struct Normals {
  using Raw = Real;
  [[gnu::noinline]] static void fill(Raw* raw, int64_t count, uint64_t seed, uint64_t block) {
    alignas(64) typename Bits::Raw bits[kTile];
    Bits::fill(bits, count, seed, block);
    const int64_t pairs = (count + 1) / 2;
    FL_INDEPENDENT
    for (int64_t k = 0; k < pairs; ++k) {
      const Real twice = 2 * minus_log(bits[2 * k]);
      const Real radius = sizeof(Real) == 4 ? static_cast<Real>(__builtin_sqrtf(static_cast<float>(twice)))
                                            : static_cast<Real>(__builtin_sqrt(twice));
      const Direction<Real> d = direction(bits[2 * k + 1]);
      raw[2 * k] = radius * d.x;
      raw[2 * k + 1] = radius * d.y;
    }
  }
};

// The sources of a value computed in Real.
template <class Real>
using BitsFor = std::conditional_t<std::is_same_v<Real, double>, Pairs, Words>;
template <class Real>
using NormalsFor = Normals<BitsFor<Real>, Real>;

// Calls tile(raw, first, count) for consecutive pieces of the span: raw[j] belongs to element first + j of the span.
template <class Source, class Tile>
void for_each_tile(const fl_random_span& span, Tile tile) {
  alignas(64) typename Source::Raw raw[kTile];
  for (int64_t done = 0; done < span.count;) {
    const int64_t element = span.first + done, skipped = element % 4;
    const int64_t count = span.count - done < kTile - skipped ? span.count - done : kTile - skipped;
    Source::fill(raw, skipped + count, span.seed, block_of(span.offset, element));
    tile(raw + skipped, done, count);
    done += count;
  }
}

// out[i] = formula(raw value of element i).
template <class Source, class T, class Formula>
void map(const fl_random_span& span, T* out, Formula formula) {
  for_each_tile<Source>(span, [=](const auto* raw, int64_t first, int64_t count) {
    T* to = out + first;
    FL_INDEPENDENT
    for (int64_t j = 0; j < count; ++j) to[j] = formula(raw[j]);
  });
}

// ---- Formulas ----

// The upper 24 or 53 bits as a multiple of 2^-24 or 2^-53 in [0, 1).
inline float unit(uint32_t word) { return static_cast<float>(static_cast<int32_t>(word >> 8)) * 0x1p-24f; }
inline double unit(uint64_t word) {
  return double_from(word >> 32) * 0x1p-32 + double_from(word << 32 >> 43) * 0x1p-53;
}

// Uniform on [from, to) in T. What rounds up to `to` becomes the value of T below it: a part in the last place of the
// topmost interval, where giving `from` instead would make that value too likely.
template <class T>
struct UniformFormula {
  using Real = Computed<T>;
  Real from, range, top;
  UniformFormula(double from_, double to_) {
    from = widened(rounded<T>(static_cast<Real>(from_)));
    const Real to = widened(rounded<T>(static_cast<Real>(to_)));
    range = to - from;
    top = from < to ? next_below<T>(to) : from;
    top = top < from ? from : top;
  }
  template <class Word>
  Real operator()(Word word) const {
    const Real value = unit(word) * range + from;
    return value < top ? value : top;
  }
};

// A probability as the number of words, of 2^32, that count as success.
struct Threshold {
  uint32_t last;  // the largest word that does
  bool possible;
  explicit Threshold(double p) {
    const auto words = static_cast<uint64_t>(p * 0x1p32 + 0.5);
    last = static_cast<uint32_t>(words - 1);
    possible = words != 0;
  }
  bool operator()(uint32_t word) const { return (word <= last) & possible; }
};

// 0 or 1 in any T.
template <class T>
inline T zero_or_one(bool one) {
  if constexpr (std::is_same_v<T, Half>)
    return {static_cast<uint16_t>(one ? 0x3c00 : 0)};
  else if constexpr (std::is_same_v<T, BFloat16>)
    return {static_cast<uint16_t>(one ? 0x3f80 : 0)};
  else
    return static_cast<T>(one);
}

// An integer in any T.
template <class T>
inline T from_integer(int64_t value) {
  if constexpr (std::is_same_v<T, bool>)
    return value != 0;
  else if constexpr (kFloating<T>)
    return rounded<T>(static_cast<Computed<T>>(value));
  else
    return static_cast<T>(value);
}

// A value x >= 1 in T, or T's largest where it is beyond.
template <class T, class Real>
inline T saturated(Real x) {
  if constexpr (kFloating<T>) {
    return rounded<T>(x < largest<T>() ? x : largest<T>());
  } else {
    constexpr T kLargest = std::numeric_limits<T>::max();
    return x < static_cast<Real>(kLargest) ? static_cast<T>(x) : kLargest;
  }
}

// ---- Kernels ----

void uniform(const fl_random_span& span, fl_dtype dtype, void* out, double from, double to) {
  with_floating(dtype, [&](auto tag) {
    using T = decltype(tag);
    const UniformFormula<T> formula(from, to);
    map<BitsFor<Computed<T>>>(span, static_cast<T*>(out), [=](auto word) { return rounded<T>(formula(word)); });
  });
}

void normal(const fl_random_span& span, fl_dtype dtype, void* out, double mean, double std) {
  with_floating(dtype, [&](auto tag) {
    using T = decltype(tag);
    using Real = Computed<T>;
    const Real m = static_cast<Real>(mean), s = static_cast<Real>(std);
    map<NormalsFor<Real>>(span, static_cast<T*>(out), [=](Real z) { return rounded<T>(z * s + m); });
  });
}

void log_normal(const fl_random_span& span, fl_dtype dtype, void* out, double mean, double std) {
  with_floating(dtype, [&](auto tag) {
    using T = decltype(tag);
    using Real = Computed<T>;
    const Real m = static_cast<Real>(mean), s = static_cast<Real>(std);
    map<NormalsFor<Real>>(span, static_cast<T*>(out),
                          [=](Real z) { return rounded<T>(random::exponential(z * s + m)); });
  });
}

void exponential(const fl_random_span& span, fl_dtype dtype, void* out, double lambda) {
  with_floating(dtype, [&](auto tag) {
    using T = decltype(tag);
    using Real = Computed<T>;
    const Real scale = static_cast<Real>(1.0 / lambda);
    const Real least = scale == 0 ? Real{0} : smallest<T>();
    map<BitsFor<Real>>(span, static_cast<T*>(out), [=](auto word) {
      const Real x = minus_log(word) * scale, above = x > least ? x : least;
      return rounded<T>(above < largest<T>() ? above : largest<T>());
    });
  });
}

void cauchy(const fl_random_span& span, fl_dtype dtype, void* out, double median, double sigma) {
  with_floating(dtype, [&](auto tag) {
    using T = decltype(tag);
    using Real = Computed<T>;
    const Real m = static_cast<Real>(median), s = static_cast<Real>(sigma);
    const Real bound = __builtin_isinf(m) ? m * m : largest<T>();
    map<BitsFor<Real>>(span, static_cast<T*>(out), [=](auto word) {
      const Real x = m + s * tangent_of_turn(word), above = x > -bound ? x : -bound;
      return rounded<T>(above < bound ? above : bound);
    });
  });
}

void bernoulli(const fl_random_span& span, fl_dtype dtype, void* out, double p) {
  const Threshold success(p);
  with_element(dtype, [&](auto tag) {
    using T = decltype(tag);
    map<Words>(span, static_cast<T*>(out), [=](uint32_t word) { return zero_or_one<T>(success(word)); });
  });
}

bool bernoulli_tensor(const fl_random_span& span, fl_dtype dtype, void* out, fl_dtype p_dtype, const void* p) {
  bool valid = true;
  with_floating(p_dtype, [&](auto p_tag) {
    using P = decltype(p_tag);
    const P* probabilities = static_cast<const P*>(p);
    with_element(dtype, [&](auto tag) {
      using T = decltype(tag);
      for_each_tile<Words>(span, [&](const uint32_t* raw, int64_t first, int64_t count) {
        const P* chance = probabilities + first;
        T* to = static_cast<T*>(out) + first;
        uint32_t outside = 0;
        FL_INDEPENDENT
        for (int64_t j = 0; j < count; ++j) {
          const double q = static_cast<double>(widened(chance[j]));
          outside |= !((q >= 0.0) & (q <= 1.0));
          to[j] = zero_or_one<T>(double_from(raw[j]) + 0.5 <= q * 0x1p32);  // as Threshold, p not rounded before
        }
        valid = valid && outside == 0;
      });
    });
  });
  return valid;
}

void geometric(const fl_random_span& span, fl_dtype dtype, void* out, double p) {
  const double scale = -1.0 / __builtin_log1p(-p);  // 0 for p = 1
  with_element(dtype, [&](auto tag) {
    using T = decltype(tag);
    // Long waits need more than 24 bits where the dtype can hold them.
    using Real = std::conditional_t<std::is_same_v<T, double> || (sizeof(T) >= 4 && !kFloating<T>), double, float>;
    const Real factor = static_cast<Real>(scale < 1e30 ? scale : 1e30);
    map<BitsFor<Real>>(span, static_cast<T*>(out), [=](auto word) {
      const Real trials = ceiling(minus_log(word) * factor);
      return saturated<T>(trials > 1 ? trials : Real{1});
    });
  });
}

// Lemire's method ("Fast random integer generation in an interval", ACM TOMACS 29, 2019): the upper half of
// word * range, drawn again where the lower half is below 2^bits mod range. Such words are rare for most ranges, so a
// tile is made as if there were none and mended if there were.
struct Narrow {  // ranges up to 2^32
  using Source = Words;
  using Wide = uint64_t;
  static constexpr int kBits = 32;
  static uint32_t draw(const PhiloxBlock& block, int64_t element) { return block.word[element % 4]; }
  static uint32_t first_draw(int64_t) { return 0; }
  static constexpr uint32_t kDrawStep = 1;
};
struct Full {  // ranges above
  using Source = Pairs;
  using Wide = unsigned __int128;
  static constexpr int kBits = 64;
  static uint64_t draw(const PhiloxBlock& block, int64_t element) { return block.pair(static_cast<int>(element % 2)); }
  static uint32_t first_draw(int64_t element) { return static_cast<uint32_t>(element % 4 / 2); }
  static constexpr uint32_t kDrawStep = 2;
};

template <class Width, class T>
void bounded_integers(const fl_random_span& span, T* out, int64_t low, typename Width::Wide range) {
  using Raw = typename Width::Source::Raw;
  using Wide = typename Width::Wide;
  const Raw rejected_below = static_cast<Raw>((Wide{1} << Width::kBits) % range);
  const auto value = [=](Wide product) {
    return from_integer<T>(
        static_cast<int64_t>(static_cast<uint64_t>(low) + static_cast<uint64_t>(product >> Width::kBits)));
  };
  for_each_tile<typename Width::Source>(span, [&](const Raw* raw, int64_t first, int64_t count) {
    T* to = out + first;
    uint32_t rejected = 0;
    FL_INDEPENDENT
    for (int64_t j = 0; j < count; ++j) {
      const Wide product = raw[j] * range;
      rejected |= static_cast<Raw>(product) < rejected_below;
      to[j] = value(product);
    }
    if (rejected == 0) return;
    for (int64_t j = 0; j < count; ++j) {
      const int64_t element = span.first + first + j;
      const uint64_t block = block_of(span.offset, element);
      Wide product = raw[j] * range;
      for (uint32_t draw = Width::first_draw(element); static_cast<Raw>(product) < rejected_below;) {
        draw += Width::kDrawStep;
        product = Width::draw(philox_draw(span.seed, block, draw), element) * range;
      }
      to[j] = value(product);
    }
  });
}

void integers(const fl_random_span& span, fl_dtype dtype, void* out, int64_t low, uint64_t range) {
  with_element(dtype, [&](auto tag) {
    using T = decltype(tag);
    T* to = static_cast<T*>(out);
    if (range == 0) {
      map<Pairs>(span, to, [=](uint64_t word) {
        return from_integer<T>(static_cast<int64_t>(static_cast<uint64_t>(low) + word));
      });
    } else if (range <= uint64_t{1} << 32) {
      bounded_integers<Narrow>(span, to, low, range);
    } else {
      bounded_integers<Full>(span, to, low, range);
    }
  });
}

void dropout(const fl_random_span& span, fl_dtype dtype, const void* in, void* out, uint8_t* mask, double p) {
  const Threshold kept(1.0 - p);
  with_floating(dtype, [&](auto tag) {
    using T = decltype(tag);
    using Real = Computed<T>;
    const Real scale = p < 1.0 ? static_cast<Real>(1.0 / (1.0 - p)) : Real{0};
    for_each_tile<Words>(span, [=](const uint32_t* raw, int64_t first, int64_t count) {
      const T* from = static_cast<const T*>(in) + first;
      T* to = static_cast<T*>(out) + first;
      FL_INDEPENDENT
      for (int64_t j = 0; j < count; ++j) to[j] = rounded<T>(widened(from[j]) * (kept(raw[j]) ? scale : Real{0}));
      if (mask == nullptr) return;
      uint8_t* keep = mask + first;
      FL_INDEPENDENT
      for (int64_t j = 0; j < count; ++j) keep[j] = kept(raw[j]);
    });
  });
}

void rrelu(const fl_random_span& span, fl_dtype dtype, const void* in, void* out, void* noise, double lower,
           double upper) {
  with_floating(dtype, [&](auto tag) {
    using T = decltype(tag);
    using Real = Computed<T>;
    const UniformFormula<T> slope(lower, upper);
    for_each_tile<BitsFor<Real>>(span, [=](const auto* raw, int64_t first, int64_t count) {
      const T* from = static_cast<const T*>(in) + first;
      T *to = static_cast<T*>(out) + first, *factor = static_cast<T*>(noise) + first;
      FL_INDEPENDENT
      for (int64_t j = 0; j < count; ++j) {
        const Real x = widened(from[j]);
        const T r = rounded<T>(x <= 0 ? slope(raw[j]) : Real{1});
        factor[j] = r;
        to[j] = rounded<T>(x * widened(r));
      }
    });
  });
}

void words(const fl_random_span& span, uint32_t draw, uint32_t* out) {
  alignas(64) uint32_t tile[kTile];
  for (int64_t done = 0; done < span.count;) {
    const int64_t element = span.first + done, skipped = element % 4;
    const int64_t count = span.count - done < kTile - skipped ? span.count - done : kTile - skipped;
    fill_words<Draws::kOne>(tile, rounded_up(skipped + count, kWordsPerStep), span.seed, block_of(span.offset, element),
                            draw);
    __builtin_memcpy(out + done, tile + skipped, static_cast<size_t>(count) * sizeof *out);
    done += count;
  }
}

}  // namespace

const Kernels FL_RANDOM_KERNELS = {FL_RANDOM_PATH_NAME, uniform,   normal,   log_normal, exponential, cauchy, bernoulli,
                                   bernoulli_tensor,    geometric, integers, dropout,    rrelu,       words};

}  // namespace fl::random
