// The tiles of a thread: their configuration, their data, and what each instruction does to them.
#ifndef FLAGOS_TESTS_TILE_EMULATOR_TILE_STATE_H_
#define FLAGOS_TESTS_TILE_EMULATOR_TILE_STATE_H_

#include <cstdint>
#include <optional>

#include "decode.h"

namespace tile_emulator {

enum class Fault : uint8_t { kUndefined, kProtection };  // #UD, #GP

struct Refusal {
  Fault fault = Fault::kUndefined;
  char reason[120] = {};
};

constexpr int kTiles = 8, kMostRows = 16, kMostBytes = 64;  // of palette 1

// Zero-initialised it is the INIT state, that of a fresh thread.
struct TileState {
  uint8_t palette;  // 0: not configured
  uint8_t start_row;
  uint16_t row_bytes[kTiles];  // 0: the tile is not valid
  uint8_t rows[kTiles];
  alignas(64) uint8_t data[kTiles][kMostRows][kMostBytes];

  // Executes the instruction, whose memory operand begins at `address` (for rows: the first one's; they are `stride`
  // bytes apart). What is refused changes nothing.
  std::optional<Refusal> execute(const Instruction& instruction, uint8_t* address, int64_t stride);
};

// The products, after the checks. dot_bf16 expects subnormal numbers to be flushed in MXCSR.
void dot_bf16(TileState& state, int sum, int left, int right);
void dot_bytes(TileState& state, int sum, int left, int right, bool left_is_signed, bool right_is_signed);

}  // namespace tile_emulator

#endif  // FLAGOS_TESTS_TILE_EMULATOR_TILE_STATE_H_
