// How a matrix product of blocks is carried out on a CPU: which instruction multiplies, in what form it wants its
// factors, and how large the tile of sums is that stays in registers. Numbers only; the code is written by
// dot/vector.cc, dot/amx.cc and dot/pack.cc from them.
//
// A factor is packed in groups: `group` elements that follow each other along K make the lane that one instruction
// multiplies and adds up. The right factor lies in panels of `panel` columns: panel after panel, in each group after
// group, in each column after column. The left one is read a lane at a time (vectors) or a row at a time (AMX), so it
// need not be moved at all where K is its contiguous dimension.
#ifndef FLAGOS_COMPILER_LOWER_DOT_PLAN_H_
#define FLAGOS_COMPILER_LOWER_DOT_PLAN_H_

#include <cstdint>
#include <optional>
#include <string>

#include "compiler/target.h"
#include "compiler/ttir/ir.h"

namespace fl::compiler {

using ttir::Scalar;

enum class Multiply : uint8_t {
  kFma,        // f32 or f64
  kInteger,    // multiply and add, any integer
  kPairs16,    // vpmaddwd: pairs of i16
  kQuads8,     // vpdpbusd: four i8; the left ones are shifted by 128 as they are read, which `offset` takes back
  kPairsBf16,  // vdpbf16ps
  kAmxBf16,    // tdpbf16ps
  kAmxInt8,    // tdpbssd
};

struct DotPlan {
  Multiply multiply = Multiply::kFma;
  Scalar packed = Scalar::kF32;  // of the packed factors
  Scalar sum = Scalar::kF32;
  int group = 1;
  int64_t rows = 0;  // of the blocks, as `columns` and `depth`
  int64_t columns = 0;
  int64_t depth = 0;
  int lanes = 0;      // sums in a vector
  int tile_rows = 0;  // a tile is so many rows by one panel
  int panel = 0;      // columns
  int64_t steps = 1;  // blocks along K that are packed before the sums are touched

  std::optional<Scalar> out;  // of what the finished sums are stored as, where the product stores them itself

  // In bytes.
  int64_t left_row = 0;   // from row to row of the left factor where it is packed
  int64_t left_step = 0;  // from group to group

  bool amx() const { return multiply == Multiply::kAmxBf16 || multiply == Multiply::kAmxInt8; }
  // Groups that one turn of the loop over K takes. Twice four gains nothing and doubles the time of code generation;
  // where a multiplication and an addition are two instructions, the code generator mixes those of several groups until
  // it spills. AMX takes a tile.
  int64_t unroll() const {
    if (amx()) return 16;
    const bool two = multiply == Multiply::kPairs16 || multiply == Multiply::kInteger;
    return two ? 1 : depth / group < 4 ? depth / group : 4;
  }
  bool has_offset() const { return multiply == Multiply::kQuads8; }
  int64_t packed_bytes() const { return ttir::bytes_of(packed); }
  int64_t lane_bytes() const { return packed_bytes() * group; }
  int64_t chunk_depth() const { return steps * depth; }
  int64_t panel_bytes() const { return chunk_depth() * panel * packed_bytes(); }
  int64_t right_bytes() const { return chunk_depth() * columns * packed_bytes(); }  // of a chunk
  int64_t left_bytes() const { return rows * left_pitch(); }
  // Rows of a left factor that is contiguous along K: a line more than they hold, so that they do not share cache sets.
  int64_t left_pitch() const { return chunk_depth() * packed_bytes() + 64; }
};

// The plan for a dot of two-dimensional blocks; nothing if they are too small for tiles. `deferred`: many steps are
// taken at once.
std::optional<DotPlan> plan_dot(const ttir::Operation& dot, const Target& target, bool deferred);

}  // namespace fl::compiler

#endif  // FLAGOS_COMPILER_LOWER_DOT_PLAN_H_
