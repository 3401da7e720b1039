// Attention over a head: blocks of queries against blocks of keys, the softmax kept up as keys pass by (Dao et al.,
// "FlashAttention", 2022). Templated on how rows and panels are multiplied (float_dot.h, bf16_dot.h, tile_dot.h).
#ifndef FLAGOS_TRANSFORMER_ATTENTION_KERNEL_H_
#define FLAGOS_TRANSFORMER_ATTENTION_KERNEL_H_

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>

#include "transformer/kernels.h"
#include "transformer/rows.h"
#include "transformer/transposed.h"
#include "transformer/vector_lanes.h"

namespace fl::transformer {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kLog2E = 1.4426950408889634f;

// 2^x within 2 units of the last place for x in [-126, 0]; 0 below; NaN stays.
inline Floats power_of_two(Floats x) {
  const Floats rounding = broadcast(12582912.0f);  // 1.5 * 2^23: adding it leaves the nearest integer in the low bits
  const Floats bounded = x < -126.0f ? broadcast(-126.0f) : x;
  const Floats shifted = bounded + rounding;
  const Floats r = bounded - (shifted - rounding);  // in [-1/2, 1/2]
  // Taylor's coefficients of 2^r, ln(2)^n / n!; the first term left out is at most 2^-7 * ln(2)^7 / 7! = 1.2e-7.
  Floats p = broadcast(1.5403530393381609e-4f);
  p = p * r + 1.3333558146428443e-3f;
  p = p * r + 9.6181291076284772e-3f;
  p = p * r + 5.5504108664821580e-2f;
  p = p * r + 2.4022650695910071e-1f;
  p = p * r + 6.9314718055994531e-1f;
  p = p * r + 1.0f;
  const Words exponent = reinterpret_cast<Words>(shifted) << 23;
  const Floats value = reinterpret_cast<Floats>(reinterpret_cast<Words>(p) + exponent);
  return x != x ? x : x < -126.0f ? Floats{} : value;
}

template <class Dot>
struct Attention {
  using Packed = typename Dot::Packed;
  // A panel's rows hold kDepth values of the summed dimension; a product takes kStep of them at once.
  static constexpr int64_t kW = Dot::kWidth, kDepth = Dot::kDepth, kStep = Dot::kStep;

  static constexpr int64_t up(int64_t value, int64_t to) { return (value + to - 1) / to * to; }

  static constexpr int64_t kQueries = up(48, Dot::kRows);
  static constexpr int64_t kKeys = 256;  // scores of a block: 48 or 64 KiB; a multiple of each kWidth
  static_assert(kKeys % kW == 0 && kW % kStep == 0 && kStep % kDepth == 0);

  static int64_t depth_of(const fl_attention_args& args) { return up(args.head_size, kStep); }
  static int64_t columns_of(const fl_attention_args& args) { return up(args.head_size, kW); }
  static int64_t k_elements(const fl_attention_args& args, int64_t keys) { return up(keys, kW) * depth_of(args); }

  static size_t packed_bytes(const fl_attention_args& args, int64_t keys) {
    return static_cast<size_t>(k_elements(args, keys) + up(keys, kStep) * columns_of(args)) * sizeof(Packed);
  }

  template <class T>
  static auto value_of(T value) {
    return Dot::packed(value);
  }

  // K as panels of kW keys, summed along the head; V as panels of kW channels, summed along the keys. What is beyond
  // the last key or channel is 0.
  template <class T>
  static void pack_single(const fl_attention_args& args, const HeadSpan& span, Packed* to) {
    const auto *k = static_cast<const T*>(span.k), *v = static_cast<const T*>(span.v);
    const int64_t size = args.head_size, keys = span.keys;
    for (int64_t first = 0; first < keys; first += kW, to += kW * size) {
      for (int64_t key = 0; key < kW; ++key) {
        const T* row = k + (first + key) * args.k_strides[0];
        for (int64_t d = 0; d < size; ++d) to[d * kW + key] = first + key < keys ? value_of(row[d]) : Packed{};
      }
    }
    for (int64_t first = 0; first < size; first += kW, to += kW * keys) {
      const int64_t columns = std::min(kW, size - first);
      for (int64_t key = 0; key < keys; ++key) {
        const T* row = v + key * args.v_strides[0] + first;
        for (int64_t d = 0; d < kW; ++d) to[key * kW + d] = d < columns ? value_of(row[d]) : Packed{};
      }
    }
  }

  // The same where an element is copied as it is: pairs of channels of K are words of a block that is turned round, and
  // V's rows are laced in twos.
  static void pack_pairs(const fl_attention_args& args, const HeadSpan& span, Packed* to) {
    const auto *k = static_cast<const Packed*>(span.k), *v = static_cast<const Packed*>(span.v);
    const int64_t size = args.head_size, depth = depth_of(args), keys = span.keys;
    constexpr int64_t kBlock = 32;  // channels
    alignas(64) static constexpr Packed kZeros[kBlock < kW ? kW : kBlock] = {};
    for (int64_t first = 0; first < keys; first += kW, to += kW * depth)
      for (int64_t key = 0; key < kW; key += 16)
        for (int64_t d = 0; d < depth; d += kBlock) {
          Packed ends[16][kBlock];
          const void* rows[16];
          for (int64_t r = 0; r < 16; ++r) {
            const Packed* row = k + (first + key + r) * args.k_strides[0] + d;
            const int64_t there = first + key + r < keys ? std::min(kBlock, size - d) : 0;
            if (0 < there && there < kBlock) std::fill(std::copy_n(row, there, ends[r]), ends[r] + kBlock, Packed{});
            rows[r] = there == kBlock ? row : there > 0 ? ends[r] : kZeros;
          }
          transpose_16(rows, reinterpret_cast<int32_t*>(to + (d / 2 * kW + key) * 2), kW,
                       std::min<int64_t>(16, (depth - d) / 2));
        }
    const int64_t rows = up(keys, kStep);
    for (int64_t first = 0; first < size; first += kW, to += kW * rows) {
      const int64_t columns = std::min(kW, size - first);
      for (int64_t key = 0; key < rows; key += 2) {
        const Packed* pair[2] = {kZeros, kZeros};
        Packed ends[2][kW];
        for (int64_t side = 0; side < 2 && key + side < keys; ++side) {
          pair[side] = v + (key + side) * args.v_strides[0] + first;
          if (columns == kW) continue;
          std::fill(std::copy_n(pair[side], columns, ends[side]), ends[side] + kW, Packed{});
          pair[side] = ends[side];
        }
        Packed* __restrict line = to + key * kW;
        for (int64_t d = 0; d < kW; ++d) line[2 * d] = pair[0][d], line[2 * d + 1] = pair[1][d];
      }
    }
  }

  static void pack(const fl_attention_args& args, const HeadSpan& span, void* packed) {
    auto* to = static_cast<Packed*>(packed);
    if constexpr (kDepth == 2) {
      pack_pairs(args, span, to);
    } else {
      with_row_type(args.dtype, [&](auto element) { pack_single<decltype(element)>(args, span, to); });
    }
  }

  // What a block of queries works on.
  struct Scratch {
    alignas(64) float scores[kQueries * kKeys];
    alignas(64) Packed weights[kQueries * kKeys];
    alignas(64) Packed queries[kQueries * 256];
    alignas(64) float sums[kQueries * 256];  // of weights times V; divided at the end
    float highest[kQueries], total[kQueries];
  };

  static void read_queries(const fl_attention_args& args, const HeadSpan& span, int64_t first, int64_t count,
                           Scratch& s) {
    const int64_t depth = depth_of(args);
    std::fill_n(s.queries, kQueries * depth, Packed{});
    const auto read = [&](auto element) {
      using T = decltype(element);
      for (int64_t r = 0; r < count; ++r) {
        const T* row = static_cast<const T*>(span.q) + (first + r) * args.q_strides[0];
        for (int64_t d = 0; d < args.head_size; ++d) s.queries[r * depth + d] = value_of(row[d]);
      }
    };
    if constexpr (kDepth == 2)
      read(BFloat16{});
    else
      with_row_type(args.dtype, read);
  }

  // The weights of one query over a block of keys, from its scores; logarithms and exponents are of base 2. `seen` keys
  // count. The largest score is found before the scores are scaled, which is then part of the exponent's sum.
  static void softmax_row(const fl_attention_args& args, const float* mask, int64_t mask_step, int64_t seen,
                          int64_t padded, float* __restrict scores, Packed* __restrict weights, float& highest,
                          float& total, float* __restrict sums, int64_t columns) {
    float scale = args.scale * kLog2E;
    if (mask != nullptr) {
      for (int64_t i = 0; i < seen; ++i) scores[i] = scores[i] * scale + mask[i * mask_step] * kLog2E;
      scale = 1;
    } else if (!(scale > 0)) {  // the largest is not the largest scaled
      for (int64_t i = 0; i < seen; ++i) scores[i] *= scale;
      scale = 1;
    }
    for (int64_t i = seen; i < padded; ++i) scores[i] = -kInfinity;
    static_assert(kW % kLanes == 0);  // and so is `padded`
    Floats tops[4];
    for (Floats& top : tops) top = broadcast(-kInfinity);
    const auto larger = [](Floats a, Floats b) { return a > b ? a : b; };
    int64_t i = 0;
    for (; i + 4 * kLanes <= padded; i += 4 * kLanes)
      for (int64_t v = 0; v < 4; ++v) tops[v] = larger(load(scores + i + v * kLanes), tops[v]);
    for (; i < padded; i += kLanes) tops[0] = larger(load(scores + i), tops[0]);
    float lanes[kLanes], top = -kInfinity;
    store(lanes, larger(larger(tops[0], tops[1]), larger(tops[2], tops[3])));
    for (float lane : lanes) top = lane > top ? lane : top;
    const float peak = std::max(highest, top * scale);
    const float base = peak == -kInfinity ? 0.0f : peak;  // nothing seen yet: every weight is 0
    Floats added[4] = {};
    const Floats scales = broadcast(scale), bases = broadcast(base);
    const auto weigh = [&](int64_t at) {
      const Floats weight = power_of_two(load(scores + at) * scales - bases);
      store_packed(weights + at, weight);
      return weight;
    };
    for (i = 0; i + 4 * kLanes <= padded; i += 4 * kLanes)
      for (int64_t v = 0; v < 4; ++v) added[v] += weigh(i + v * kLanes);
    for (; i < padded; i += kLanes) added[0] += weigh(i);
    const float fade = highest == -kInfinity ? 0.0f : power_of_two(broadcast(highest - base))[0];
    total = total * fade + sum_lanes((added[0] + added[1]) + (added[2] + added[3]));
    highest = peak;
    if (fade != 1.0f)
      for (int64_t d = 0; d < columns; ++d) sums[d] *= fade;
  }

  static void store_packed(Packed* to, Floats values) {
    if constexpr (kDepth == 2)
      store_rounded(reinterpret_cast<BFloat16*>(to), values);
    else
      store(to, values);
  }

  template <bool kAdd>
  static void multiply(typename Dot::Session& session, const Packed* a, int64_t lda, const Packed* panel, int64_t steps,
                       float* c, int64_t ldc, int64_t rows) {
    for (int64_t r = 0; r < rows; r += Dot::kRows)
      Dot::template block<kAdd>(session, a + r * lda, lda, panel, steps, c + r * ldc, ldc);
  }

  static void run(const fl_attention_args& args, const HeadSpan& span, const void* packed, int64_t first) {
    thread_local std::unique_ptr<Scratch> scratch;
    if (!scratch) scratch = std::make_unique_for_overwrite<Scratch>();
    Scratch& s = *scratch;
    typename Dot::Session session;
    const int64_t count = std::min(kQueries, span.queries - first), rows = up(count, Dot::kRows);
    const int64_t depth = depth_of(args), columns = columns_of(args), keys = span.keys;
    const auto* k_panels = static_cast<const Packed*>(packed);
    const Packed* v_panels = k_panels + k_elements(args, keys);
    read_queries(args, span, first, count, s);
    std::fill_n(s.sums, rows * columns, 0.0f);
    std::fill_n(s.highest, kQueries, -kInfinity);
    std::fill_n(s.total, kQueries, 0.0f);

    const int64_t shift = keys - span.queries;  // the last query sees the last key
    const int64_t last_key = args.causal ? std::clamp(first + count + shift, int64_t{0}, keys) : keys;
    for (int64_t key = 0; key < last_key; key += kKeys) {
      const int64_t here = std::min(kKeys, last_key - key), padded = up(here, kW);
      for (int64_t p = 0; p < padded; p += kW)
        multiply<false>(session, s.queries, depth, k_panels + (key + p) * depth, depth / kStep, s.scores + p, kKeys,
                        rows);
      for (int64_t r = 0; r < count; ++r) {
        const int64_t seen = args.causal ? std::clamp(first + r + shift + 1 - key, int64_t{0}, here) : here;
        const float* mask = span.mask == nullptr
                                ? nullptr
                                : span.mask + (first + r) * args.mask_strides[2] + key * args.mask_strides[3];
        softmax_row(args, mask, args.mask_strides[3], seen, padded, s.scores + r * kKeys, s.weights + r * kKeys,
                    s.highest[r], s.total[r], s.sums + r * columns, columns);
      }
      for (int64_t r = count; r < rows; ++r) std::fill_n(s.weights + r * kKeys, padded, Packed{});
      const int64_t v_rows = up(keys, kStep), steps = up(here, kStep) / kStep;
      for (int64_t c = 0; c < columns; c += kW)
        multiply<true>(session, s.weights, kKeys, v_panels + c * v_rows + key * kW, steps, s.sums + c, columns, rows);
    }
    write(args, span, first, count, columns, s);
  }

  static void write(const fl_attention_args& args, const HeadSpan& span, int64_t first, int64_t count, int64_t columns,
                    Scratch& s) {
    const int64_t out_stride = args.heads * args.head_size;
    with_row_type(args.dtype, [&](auto element) {
      using T = decltype(element);
      for (int64_t r = 0; r < count; ++r) {
        float* row = s.sums + r * columns;
        const float factor = s.total[r] == 0 ? 0.0f : 1 / s.total[r];
        for (int64_t d = 0; d < args.head_size; ++d) row[d] *= factor;
        round_row(row, args.head_size, static_cast<T*>(span.out) + (first + r) * out_stride);
        if (span.lse != nullptr)
          span.lse[(first + r) * args.heads] =
              s.highest[r] == -kInfinity ? -kInfinity : s.highest[r] / kLog2E + std::log(s.total[r]);
      }
    });
  }

  static constexpr AttentionKernel table() { return {&Dot::serves, &packed_bytes, &pack, kQueries, &run}; }
};

}  // namespace
}  // namespace fl::transformer

#endif  // FLAGOS_TRANSFORMER_ATTENTION_KERNEL_H_
