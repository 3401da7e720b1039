/* Kernels of transformer blocks over host memory: attention, RMS and layer norm, rotary embedding, int8 linear.
 *
 * Rules of every function
 *  - Blocking; uses the process's thread pool (base.h); any thread may call it; no state is kept between calls.
 *  - Floating dtypes are FL_FLOAT16, FL_BFLOAT16 and FL_FLOAT32, else FL_UNSUPPORTED. Strides count elements. The
 *    caller owns all memory; a result never overlaps an operand.
 *  - Computed in fp32 and rounded once, to nearest even, unless said otherwise.
 *  - FL_INVALID_ARGUMENT: NULL where there is something to read, a negative or contradictory size; nothing has been
 *    written. FL_OUT_OF_MEMORY where a scratch buffer is named. The text is in fl_last_error().
 */
#ifndef FLAGOS_TRANSFORMER_H_
#define FLAGOS_TRANSFORMER_H_

#include "flagos/random.h" /* fl_dtype */

#ifdef __cplusplus
extern "C" {
#endif

/* A row of `width` contiguous elements every `row_stride` in x; rows of `out` are contiguous. weight, bias: `width`
 * fp32 values or NULL.
 *   rms:   x / sqrt(mean(x^2) + eps) * weight
 *   layer: (x - mean(x)) / sqrt(var(x) + eps) * weight + bias */
typedef struct fl_norm_args {
  size_t struct_size;
  const void* x;
  void* out;
  const float* weight;
  const float* bias;
  fl_dtype x_dtype, out_dtype;
  int64_t rows, width, row_stride;
  float eps;
} fl_norm_args;
FL_EXPORT fl_status fl_rms_norm(const fl_norm_args* args);
FL_EXPORT fl_status fl_layer_norm(const fl_norm_args* args);

/* Turns pairs of channels of x [n0, n1, n2, width], whose channels are contiguous; out is contiguous, of x's dtype. A
 * pair is channels 2i and 2i+1 (interleaved) or i and i + width/2. cos and sin, fp32, are [n0, n1, n2, table_width] by
 * the same strides (0 broadcasts): table_width = width/2, a value a pair, or width, a value a channel.
 *   first' = first * cos - second * sin, second' = second * cos + first * sin
 * Scratch: 8 bytes a channel and thread. */
typedef struct fl_rotary_args {
  size_t struct_size;
  const void* x;
  void* out;
  const float *cos, *sin;
  fl_dtype dtype;
  int64_t sizes[3], x_strides[3], cos_strides[4], sin_strides[4];
  int64_t width, table_width;
  int32_t interleaved;
} fl_rotary_args;
FL_EXPORT fl_status fl_rotary(const fl_rotary_args* args);

/* softmax(q k^T * scale + mask) v for each segment and head. q, out: [rows, heads, head_size], k and v:
 * [rows, kv_heads, head_size], channels contiguous; out contiguous in all. Query head h reads key head
 * h / (heads / kv_heads). Segment i is rows q_bounds[i] .. q_bounds[i+1] against kv_bounds[i] .. kv_bounds[i+1]; rows
 * outside of all segments are left alone. causal: query j of n sees keys up to j + (keys - n). mask: fp32, added to the
 * scores, by strides of (segment, head, query, key), or NULL. A query that sees no key gives 0 and a logsumexp of -inf.
 * lse: fp32 [rows, heads] or NULL. head_size: 1 to 256. With bf16 operands the weights of the softmax are rounded to
 * bf16 and come from an exponential that is within 2^-13 of the exact one, both as in PyTorch's CPU kernel; sums are
 * fp32. Scratch: the bytes of k and v, at most 64 MiB or one head, and three quarters of a MiB a thread. */
typedef struct fl_attention_args {
  size_t struct_size;
  const void *q, *k, *v;
  void* out;
  float* lse;
  const float* mask;
  const int64_t *q_bounds, *kv_bounds;
  fl_dtype dtype;
  int64_t segments, heads, kv_heads, head_size;
  int64_t q_strides[2], k_strides[2], v_strides[2], mask_strides[4];
  float scale;
  int32_t causal;
} fl_attention_args;
FL_EXPORT fl_status fl_attention(const fl_attention_args* args);

/* y[m, n] = (sum over k of xq[m, k] * weight[n, k]) * sx[m] * scale[n] + bias[n]
 * where xq is x in int8 by a scale a row: sx[m] = max|x[m, :]| / 127 (1 for a row of zeros), xq = round(x / sx).
 * weight: int8 [outputs, inputs], contiguous, used as it is. scale: fp32 [outputs]. bias: fp32 [outputs] or NULL. y:
 * contiguous, of x's dtype. Sums are int32: inputs <= 65536. FL_UNSUPPORTED where fl_int8_linear_absent() is not NULL.
 * Scratch: the bytes of xq, and 64 KiB a thread. */
typedef struct fl_int8_linear_args {
  size_t struct_size;
  const void* x;
  const int8_t* weight;
  const float *scale, *bias;
  void* y;
  fl_dtype dtype;
  int64_t rows, inputs, outputs, row_stride;
} fl_int8_linear_args;
FL_EXPORT fl_status fl_int8_linear(const fl_int8_linear_args* args);

/* Why this CPU has no int8 kernel of ours, or NULL when it has. */
FL_EXPORT const char* fl_int8_linear_absent(void);

/* The code path of this CPU: "x86-64-v4+amx", "x86-64-v4+bf16", "x86-64-v4", "x86-64-v3" or "generic". */
FL_EXPORT const char* fl_transformer_code_path(void);

#ifdef __cplusplus
}
#endif
#endif /* FLAGOS_TRANSFORMER_H_ */
