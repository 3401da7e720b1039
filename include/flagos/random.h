/* Counter-based random numbers over host memory: what a call returns depends on (seed, offset) and the call alone.
 *
 * The generator is Philox 4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011) and a
 * generator's whole state is 16 bytes: uint64 seed, uint64 offset, little endian. Element i of a call is a function of
 * (seed, offset, i) and the call's parameters: not of the thread, the vector width, the chip, or the way in which the
 * call was cut into pieces.
 *
 * Note [The stream of an element]
 *  Key = seed. Counter = 64 bits block, 32 bits draw, 32 bits FL_RANDOM_DOMAIN; block = offset / 4 + i / 4. So four
 *  neighbouring elements share one block, and each block has 2^32 draws of four 32-bit words. A distribution that takes
 *  one word an element uses word i % 4 of draw 0; one that takes 64 bits uses draws 0 and 1; one that rejects goes on
 * to later draws. Whatever it takes, a call of n elements owns the blocks of its elements and the offset moves on by n
 *  rounded up to a multiple of 4, for each distribution and dtype alike. Two things follow. Calls one after the other
 *  never share a word. And a piece of a call that begins at element k (a multiple of 4) equals a call of its own at
 *  offset + k: sharded generation, which counts elements (DTensor does), gives what one device gives.
 *  The domain word keeps these blocks apart from those of kernels that leave the upper counter words 0 or put a thread
 *  number there, when they work from the same state.
 *
 * Rules of every function
 *  - Blocking; uses the process's thread pool (base.h); any thread may call it; no state is kept between calls.
 *  - `out` holds span->count contiguous elements of `dtype`, aligned to the element. The caller owns all memory.
 *  - FL_INVALID_ARGUMENT: a parameter outside its range, an offset that is no multiple of 4, a negative first or count,
 *    NULL where there is something to write; nothing has been written. FL_UNSUPPORTED: a dtype that the function does
 *    not list. FL_OUT_OF_MEMORY where a scratch buffer is named. The text is in fl_last_error().
 *  - fp16 and bf16 are computed in fp32 and rounded once, to nearest even. docs/random.md has algorithms and accuracy.
 */
#ifndef FLAGOS_RANDOM_H_
#define FLAGOS_RANDOM_H_

#include "flagos/base.h"

#ifdef __cplusplus
extern "C" {
#endif

#define FL_RANDOM_DOMAIN 0x666c6167u /* "flag" */

typedef enum fl_dtype {
  FL_BOOL = 0,
  FL_UINT8 = 1,
  FL_INT8 = 2,
  FL_UINT16 = 3,
  FL_INT16 = 4,
  FL_UINT32 = 5,
  FL_INT32 = 6,
  FL_UINT64 = 7,
  FL_INT64 = 8,
  FL_FLOAT16 = 9,
  FL_BFLOAT16 = 10,
  FL_FLOAT32 = 11,
  FL_FLOAT64 = 12
} fl_dtype;

/* The elements [first, first + count) of a call made at (seed, offset). A whole call has first = 0. */
typedef struct fl_random_span {
  uint64_t seed;
  uint64_t offset; /* a multiple of 4 */
  int64_t first;
  int64_t count;
} fl_random_span;

/* By how much the offset moves past a call of `count` elements: count rounded up to a multiple of 4 (0 for 0). For
 * randperm, count is n; for multinomial, see fl_random_multinomial_advance. The caller adds it, modulo 2^64. */
FL_EXPORT uint64_t fl_random_advance(int64_t count);

/* A 64-bit seed for another engine (a distribution that has no kernel here), drawn at (seed, offset). Advance: 4. */
FL_EXPORT uint64_t fl_random_derive_seed(uint64_t seed, uint64_t offset);

/* ---- Continuous distributions: FL_FLOAT16, FL_BFLOAT16, FL_FLOAT32, FL_FLOAT64 ---- */

/* Uniform on [from, to); never `to` (but for from == to, which gives from). Needs from <= to, both finite, and
 * to - from within the dtype. */
FL_EXPORT fl_status fl_random_uniform(const fl_random_span* span, fl_dtype dtype, void* out, double from, double to);

/* mean + std * z, z standard normal (Box-Muller over pairs of neighbouring elements). Needs std >= 0. */
FL_EXPORT fl_status fl_random_normal(const fl_random_span* span, fl_dtype dtype, void* out, double mean, double std);

/* exp(mean + std * z) with the z of fl_random_normal. Needs std > 0. */
FL_EXPORT fl_status fl_random_log_normal(const fl_random_span* span, fl_dtype dtype, void* out, double mean,
                                         double std);

/* Density lambda * exp(-lambda * x). Never 0 and never infinite, in each dtype; lambda = infinity gives 0. Needs
 * lambda > 0. */
FL_EXPORT fl_status fl_random_exponential(const fl_random_span* span, fl_dtype dtype, void* out, double lambda);

/* median + sigma * tan(pi * (u - 1/2)); never infinite for a finite median. Needs sigma > 0. */
FL_EXPORT fl_status fl_random_cauchy(const fl_random_span* span, fl_dtype dtype, void* out, double median,
                                     double sigma);

/* ---- Discrete distributions: every dtype ---- */

/* 1 with probability p, else 0. Needs 0 <= p <= 1; p is used to the nearest multiple of 2^-32. */
FL_EXPORT fl_status fl_random_bernoulli(const fl_random_span* span, fl_dtype dtype, void* out, double p);

/* The same with a probability an element: probabilities[j], of a floating `p_dtype`, belongs to out[j]. A probability
 * outside [0, 1] (or NaN) is FL_INVALID_ARGUMENT; out is then unspecified. */
FL_EXPORT fl_status fl_random_bernoulli_tensor(const fl_random_span* span, fl_dtype dtype, void* out, fl_dtype p_dtype,
                                               const void* probabilities);

/* The number of Bernoulli(p) trials up to and with the first success: 1, 2, ...; where that is beyond the dtype, its
 * largest finite value. Needs 0 < p <= 1. Not FL_BOOL. */
FL_EXPORT fl_status fl_random_geometric(const fl_random_span* span, fl_dtype dtype, void* out, double p);

/* Integers uniform on [low, low + range), exactly (by rejection, not by remainder); range 0 stands for 2^64. A value is
 * formed as a 64-bit integer and converted to the dtype: modulo its width, or to the nearest floating value (of
 * fp32 first for fp16 and bf16); FL_BOOL: value != 0. */
FL_EXPORT fl_status fl_random_integers(const fl_random_span* span, fl_dtype dtype, void* out, int64_t low,
                                       uint64_t range);

/* The range that torch.Tensor.random_() without bounds stands for, to be used with low = 0: 2 for FL_BOOL, the largest
 * value + 1 for integers (0, that is 2^64, for FL_UINT64), 2^digits + 1 for floating dtypes. */
FL_EXPORT uint64_t fl_random_natural_range(fl_dtype dtype);

/* ---- Over given tensors: FL_FLOAT16, FL_BFLOAT16, FL_FLOAT32, FL_FLOAT64 ---- */

/* mask[j] = 1 with probability 1 - p (nearest multiple of 2^-32), else 0; out[j] = in[j] * (mask[j] ? 1 / (1 - p) : 0),
 * one pass. A NaN or infinity of `in` stays NaN where it is dropped, as on the CPU. p = 1 gives in[j] * 0. `out` may be
 * `in`. mask: one byte an element, or NULL. Needs 0 <= p <= 1. */
FL_EXPORT fl_status fl_random_dropout(const fl_random_span* span, fl_dtype dtype, const void* in, void* out,
                                      uint8_t* mask, double p);

/* Where in[j] <= 0: noise[j] uniform on [lower, upper), out[j] = in[j] * noise[j]. Elsewhere noise[j] = 1 and
 * out[j] = in[j]. `out` may be `in`. Needs lower <= upper, both finite. */
FL_EXPORT fl_status fl_random_rrelu(const fl_random_span* span, fl_dtype dtype, const void* in, void* out, void* noise,
                                    double lower, double upper);

/* ---- Whole-call distributions: made at once, so they take the state and not a span ---- */

/* A uniformly random permutation of 0 .. n-1. Every dtype but FL_BOOL whose integers reach n-1 exactly, else
 * FL_INVALID_ARGUMENT. Scratch: 4 bytes an element (8 from n = 2^32). */
FL_EXPORT fl_status fl_random_permutation(uint64_t seed, uint64_t offset, fl_dtype dtype, void* out, int64_t n);

/* `samples` category numbers a row, out: int64 [rows, samples], from `probabilities` [rows, categories] (floating
 * dtypes; a row need not sum to 1). With replacement: independent draws; a category of probability 0 is never drawn.
 * Without: samples <= categories, the order of successive draws; categories of probability 0 come last, in their
 * order, when nothing else is left. FL_INVALID_ARGUMENT for a negative, infinite or NaN entry, and a row of sum 0; out
 * is then unspecified. Scratch: 16 bytes a category and thread. */
FL_EXPORT fl_status fl_random_multinomial(uint64_t seed, uint64_t offset, fl_dtype dtype, const void* probabilities,
                                          int64_t rows, int64_t categories, int64_t samples, int32_t replacement,
                                          int64_t* out);

/* rows * samples with replacement (and for one sample, where it is the same thing), else rows * categories; rounded up
 * to a multiple of 4. */
FL_EXPORT uint64_t fl_random_multinomial_advance(int64_t rows, int64_t categories, int64_t samples,
                                                 int32_t replacement);

/* ---- What runs ---- */

/* The code path that this CPU gets: "x86-64-v4", "x86-64-v3" or "generic". All give the same bits. */
FL_EXPORT const char* fl_random_code_path(void);

#ifdef __cplusplus
}
#endif
#endif /* FLAGOS_RANDOM_H_ */
