// The public attention function: segments and heads as tasks. K and V are packed a group of heads at a time, then
// blocks of queries run against them.
#include <memory>
#include <new>

#include "base/parallel_for.h"
#include "transformer/arguments.h"
#include "transformer/kernels.h"

namespace fl::transformer {
namespace {

constexpr const char* kName = "attention";
constexpr size_t kMostScratch = size_t{64} << 20;

size_t element_size(fl_dtype dtype) { return dtype == FL_FLOAT32 ? 4 : 2; }

const void* at(const void* base, int64_t elements, size_t size) {
  return static_cast<const char*>(base) + elements * static_cast<int64_t>(size);
}

void check(const fl_attention_args* args) {
  require(args != nullptr && args->struct_size == sizeof *args, kName, "args must be a filled fl_attention_args");
  require_floating(kName, args->dtype);
  require(args->segments >= 0 && args->heads >= 0 && args->kv_heads >= 0, kName, "counts must not be negative");
  require(args->kv_heads > 0 ? args->heads % args->kv_heads == 0 : args->heads == 0, kName,
          "heads must be a multiple of kv_heads");
  require(args->head_size >= 1 && args->head_size <= 256, kName, "head_size must be 1 to 256");
  require(args->segments == 0 || (args->q_bounds != nullptr && args->kv_bounds != nullptr), kName,
          "q_bounds and kv_bounds must not be NULL");
  for (int64_t i = 0; i < args->segments; ++i)
    require(args->q_bounds[i] <= args->q_bounds[i + 1] && args->kv_bounds[i] <= args->kv_bounds[i + 1], kName,
            "the bounds of segments must not fall");
}

// A segment's view of one query head.
HeadSpan span_of(const fl_attention_args& args, int64_t segment, int64_t head) {
  const size_t size = element_size(args.dtype);
  const int64_t q = args.q_bounds[segment], kv = args.kv_bounds[segment], kv_head = head / (args.heads / args.kv_heads);
  HeadSpan span{};
  span.q = at(args.q, q * args.q_strides[0] + head * args.q_strides[1], size);
  span.k = at(args.k, kv * args.k_strides[0] + kv_head * args.k_strides[1], size);
  span.v = at(args.v, kv * args.v_strides[0] + kv_head * args.v_strides[1], size);
  const int64_t out = (q * args.heads + head) * args.head_size;
  span.out = static_cast<char*>(args.out) + out * static_cast<int64_t>(size);
  span.lse = args.lse == nullptr ? nullptr : args.lse + q * args.heads + head;
  span.mask = args.mask == nullptr ? nullptr : args.mask + segment * args.mask_strides[0] + head * args.mask_strides[1];
  span.queries = args.q_bounds[segment + 1] - q;
  span.keys = args.kv_bounds[segment + 1] - kv;
  return span;
}

void attend(const fl_attention_args& args) {
  const AttentionKernel& kernel = attention_kernel(args.dtype);
  const int64_t shared = args.heads / args.kv_heads;
  std::unique_ptr<char[]> scratch;
  size_t held = 0;
  for (int64_t segment = 0; segment < args.segments; ++segment) {
    const HeadSpan any = span_of(args, segment, 0);
    if (any.queries == 0) continue;
    constexpr size_t kLine = 64;
    const size_t bytes = (kernel.packed_bytes(args, any.keys) + kLine - 1) / kLine * kLine;
    const auto fitting = static_cast<int64_t>(std::max<size_t>(1, kMostScratch / std::max<size_t>(bytes, 1)));
    const int64_t group = std::min(args.kv_heads, fitting);
    const size_t wanted = bytes * static_cast<size_t>(group) + kLine;
    if (wanted > held) {
      scratch = std::make_unique_for_overwrite<char[]>(wanted);
      held = wanted;
    }
    char* packed = scratch.get() + (kLine - reinterpret_cast<uintptr_t>(scratch.get()) % kLine) % kLine;
    const auto packed_of = [&](int64_t index) { return packed + static_cast<size_t>(index) * bytes; };
    const int64_t blocks = (any.queries + kernel.block - 1) / kernel.block;
    for (int64_t first_head = 0; first_head < args.kv_heads; first_head += group) {
      const int64_t heads = std::min(group, args.kv_heads - first_head);
      parallel_for(0, heads, 1, [&](int64_t first, int64_t last) {
        for (int64_t i = first; i < last; ++i)
          kernel.pack(args, span_of(args, segment, (first_head + i) * shared), packed_of(i));
      });
      parallel_for(0, heads * shared * blocks, 1, [&](int64_t first, int64_t last) {
        for (int64_t task = first; task < last; ++task) {
          const int64_t head = first_head * shared + task / blocks;
          kernel.run(args, span_of(args, segment, head), packed_of(task / blocks / shared),
                     task % blocks * kernel.block);
        }
      });
    }
  }
}

}  // namespace
}  // namespace fl::transformer

extern "C" fl_status fl_attention(const fl_attention_args* args) {
  return fl::guarded([&] {
    fl::transformer::check(args);
    if (args->heads > 0) fl::transformer::attend(*args);
  });
}
