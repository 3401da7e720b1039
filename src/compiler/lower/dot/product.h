// A matrix product while its kernel is being written: where its factors are packed, where its sums lie, and what is
// counted at run time. See Note [Products] in kernel/product.cc.
#ifndef FLAGOS_COMPILER_LOWER_DOT_PRODUCT_H_
#define FLAGOS_COMPILER_LOWER_DOT_PRODUCT_H_

#include <string>
#include <vector>

#include "compiler/lower/dot/plan.h"
#include "compiler/lower/nest/nest.h"

namespace fl::compiler {

// Offsets from here on are of memory that lives through a whole launch; it lies behind the arena.
inline constexpr int64_t kKeptOffsets = int64_t{1} << 40;

// A factor in the kernel's own memory: rows `pitch` bytes apart, contiguous along one dimension.
struct InPlace {
  std::string base;   // i64
  std::string pitch;  // i64
  std::string holds;  // i1: this is so, and all that is live of the block is there
  std::string depth;  // i64: along K so many elements are live from here on; "" where no mask tells
  bool along_k = false;
};

struct PackedFactor {
  const ttir::Value* block = nullptr;
  size_t along = 0;         // the dimension of the block that is not K
  int64_t buffer = 0;       // offset in the arena
  int64_t chunk_bytes = 0;  // of one chunk
  int64_t step_bytes = 0;   // from one step to the next, within a chunk
  std::string kept;         // i1: the buffer holds this program's factor already; "" where that is never so
  int64_t known = 0;        // where it is noted what the buffer holds, if `kept`; 0 there is nothing
};

// Where the factors of one step are read in place: i64, "0" where they are packed or never read in place.
struct Reading {
  std::string left = "0";
  std::string left_pitch = "0";
  std::string right = "0";  // then one row is multiplied
  std::string right_pitch = "0";
};

// What waits to be multiplied, all i64, kept in the arena from one iteration to the next.
struct Waiting {
  std::string step;   // blocks of the present chunk that are packed or passed over
  std::string chunk;  // its place in the buffers
  std::string from;   // the first step that waits
  std::string left;   // the left factor's address where it is read in place, else 0
  std::string left_pitch;
  std::string right;  // as `left`; then one row is multiplied, and `length` counts its steps, none of which `step` does
  std::string right_pitch;
  std::string length;
  std::string begun;  // 1 once something was added to the sums
};

struct Product {
  DotPlan plan;
  const ttir::Operation* dot = nullptr;
  const ttir::Operation* loop = nullptr;  // by whose iterations the product is put off, or null
  PackedFactor left;
  PackedFactor right;
  bool rows_in_place = false;  // the left factor may be read in place, see kernel/in_place.cc
  bool one_row = false;        // so may both, where one row is live
  std::string rows;            // i64, live
  std::string columns;
  int64_t sums = 0;     // offset in the arena
  int64_t offsets = 0;  // see DotPlan::has_offset
  bool from_zero = false;
  int64_t state = 0;   // offset of a Waiting
  std::string direct;  // i1: the finished sums are stored at `out`, rows `pitch` bytes apart (i64); "" where never
  std::string out;
  std::string pitch;
  std::string chunk_step;  // i64: 1 where each chunk has a place of its own, else 0
};

}  // namespace fl::compiler

#endif  // FLAGOS_COMPILER_LOWER_DOT_PRODUCT_H_
