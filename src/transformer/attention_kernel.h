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
#include "transformer/softmax_weights.h"
#include "transformer/transposed.h"
#include "transformer/vector_lanes.h"

namespace fl::transformer {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
template <class Dot>
struct Attention {
  using Packed = typename Dot::Packed;
  // A panel's rows hold kDepth values of the summed dimension; a product takes kStep of them at once.
  static constexpr int64_t kW = Dot::kWidth, kDepth = Dot::kDepth, kStep = Dot::kStep;

  static constexpr int64_t up(int64_t value, int64_t to) { return (value + to - 1) / to * to; }

  static constexpr int64_t kQueries = up(48, Dot::kRows);
  // Note [As PyTorch rounds]: keys whose softmax is taken at once, and how many terms of a product are summed before
  // they join the rest.
  static constexpr int64_t kKeys = 512, kTerms = 192;
  static_assert(kKeys % kW == 0 && kTerms % kStep == 0 && kW % kStep == 0 && kStep % kDepth == 0);

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
  // V's rows are laced in twos. In a pair the second value comes first, as in queries and weights.
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
          transpose_16<true>(rows, reinterpret_cast<int32_t*>(to + (d / 2 * kW + key) * 2), kW,
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
        for (int64_t d = 0; d < kW; ++d) line[2 * d] = pair[1][d], line[2 * d + 1] = pair[0][d];
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
        for (int64_t d = 0; d < args.head_size; ++d) s.queries[r * depth + (d ^ (kDepth - 1))] = value_of(row[d]);
      }
    };
    if constexpr (kDepth == 2)
      read(BFloat16{});
    else
      with_row_type(args.dtype, read);
  }

  // The weights of one query over a block of `here` keys, of which `seen` count, from its scores. Both rows have
  // `padded` elements, whole vectors.
  template <class T>
  static void softmax_row(const fl_attention_args& args, const float* mask, int64_t mask_step, int64_t seen,
                          int64_t here, int64_t padded, float* __restrict scores, Packed* __restrict weights,
                          float& highest, float& total, float* __restrict sums, int64_t columns) {
    using Weight = SoftmaxWeight<T>;
    float scale = args.scale * Weight::kUnit;
    if (mask != nullptr) {
      for (int64_t i = 0; i < seen; ++i) scores[i] = fused(scores[i], scale, mask[i * mask_step] * Weight::kUnit);
      scale = 1;
    }
    const float peak = std::max(highest, scale_and_find_largest(scores, seen, scale));
    std::fill(scores + seen, scores + padded, -kInfinity);
    const float base = peak == -kInfinity ? 0.0f : peak;  // nothing seen yet: every weight is 0
    Floats added{};
    const Floats bases = broadcast(base);
    const int64_t whole = Weight::kTailByOne ? here / kLanes * kLanes : padded;
    for (int64_t i = 0; i < whole; i += kLanes) {
      const Floats weight = Weight::of(load(scores + i) - bases);
      store_packed<T>(weights + i, weight);
      added += weight;
    }
    float sum = sum_by_halves(added);
    if (whole < padded) {
      float tail[kLanes] = {};
      for (int64_t i = whole; i < here; ++i) sum += tail[i - whole] = Weight::of(scores[i] - base);
      store_packed<T>(weights + whole, load(tail));
      std::fill(weights + whole + kLanes, weights + padded, Packed{});
    }
    const float fade = highest == -kInfinity ? 0.0f : Weight::of(highest - base);
    total = fused(total, fade, sum);
    highest = peak;
    if (fade != 1.0f)
      for (int64_t d = 0; d < columns; ++d) sums[d] *= fade;
  }

  // Of the scaled scores, which take the place of the scores; not a number counts as -inf.
  static float scale_and_find_largest(float* scores, int64_t count, float scale) {
    const auto larger = [](auto a, auto b) { return a > b ? a : b; };
    Floats tops[2] = {broadcast(-kInfinity), broadcast(-kInfinity)};
    const auto take = [&](int64_t at, Floats& top) {
      const Floats scaled = load(scores + at) * scale;
      store(scores + at, scaled);
      top = larger(scaled, top);
    };
    int64_t i = 0;
    for (; i + 2 * kLanes <= count; i += 2 * kLanes) take(i, tops[0]), take(i + kLanes, tops[1]);
    for (; i + kLanes <= count; i += kLanes) take(i, tops[0]);
    float lanes[kLanes], top = -kInfinity;
    store(lanes, larger(tops[0], tops[1]));
    for (float lane : lanes) top = larger(lane, top);
    for (; i < count; ++i) top = larger(scores[i] *= scale, top);
    return top;
  }

  template <class T>
  static void store_packed(Packed* to, Floats weights) {
    if constexpr (kDepth == 2)
      store_rounded_pairs(to, weights);
    else
      store(to, SoftmaxWeight<T>::rounded(weights));
  }

  // c (+)= a * panel, kTerms terms at a time.
  template <bool kAdd>
  static void multiply(typename Dot::Session& session, const Packed* a, int64_t lda, const Packed* panel, int64_t steps,
                       float* c, int64_t ldc, int64_t rows) {
    constexpr int64_t kMost = kTerms / kStep;
    for (int64_t r = 0; r < rows; r += Dot::kRows) {
      Dot::template block<kAdd>(session, a + r * lda, lda, panel, std::min(steps, kMost), c + r * ldc, ldc);
      for (int64_t step = kMost; step < steps; step += kMost)
        Dot::template block<true>(session, a + r * lda + step * kStep, lda, panel + step * kStep * kW,
                                  std::min(steps - step, kMost), c + r * ldc, ldc);
    }
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

    const auto softmax = args.dtype == FL_BFLOAT16  ? &softmax_row<BFloat16>
                         : args.dtype == FL_FLOAT16 ? &softmax_row<Half>
                                                    : &softmax_row<float>;
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
        softmax(args, mask, args.mask_strides[3], seen, here, padded, s.scores + r * kKeys, s.weights + r * kKeys,
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
              s.highest[r] == -kInfinity ? -kInfinity : s.highest[r] / SoftmaxWeight<T>::kUnit + std::log(s.total[r]);
      }
    });
  }

  static constexpr AttentionKernel table() { return {&Dot::serves, &packed_bytes, &pack, kQueries, &run}; }
};

}  // namespace
}  // namespace fl::transformer

#endif  // FLAGOS_TRANSFORMER_ATTENTION_KERNEL_H_
