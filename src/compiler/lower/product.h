// A matrix product while its kernel is being written: where its factors are packed, where its sums lie, and what is
// counted at run time. See Note [Products] in kernel_product.cc.
#ifndef FLAGOS_COMPILER_LOWER_PRODUCT_H_
#define FLAGOS_COMPILER_LOWER_PRODUCT_H_

#include <string>
#include <vector>

#include "compiler/lower/dot_plan.h"
#include "compiler/lower/nest.h"

namespace fl::compiler {

// Offsets from here on are of memory that lives through a whole launch; it lies behind the arena.
inline constexpr int64_t kKeptOffsets = int64_t{1} << 40;

struct PackedFactor {
  const ttir::Value* block = nullptr;
  size_t along = 0;         // the dimension of the block that is not K
  int64_t buffer = 0;       // offset in the arena
  int64_t chunk_bytes = 0;  // of one chunk
  int64_t step_bytes = 0;   // from one step to the next, within a chunk
  int64_t offsets = 0;      // of the right factor's column offsets, a row a chunk
  std::string kept;         // i1: the buffer holds this program's factor already; "" where that is never so
};

struct Product {
  DotPlan plan;
  const ttir::Operation* dot = nullptr;
  const ttir::Operation* loop = nullptr;  // by whose iterations the product is put off, or null
  PackedFactor left;
  PackedFactor right;
  std::string rows;  // i64, live
  std::string columns;
  int64_t sums = 0;  // offset in the arena
  bool from_zero = false;
  int64_t state = 0;   // offset of what is counted: steps packed in this chunk, the chunk's number (both i64)
  std::string direct;  // i1: the finished sums are stored at `out`, rows `pitch` bytes apart (i64); "" where never
  std::string out;
  std::string pitch;
  std::string chunk_step;  // i64: 1 where each chunk has a place of its own, else 0
};

}  // namespace fl::compiler

#endif  // FLAGOS_COMPILER_LOWER_PRODUCT_H_
