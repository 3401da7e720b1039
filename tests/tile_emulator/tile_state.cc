#include "tile_state.h"

#include <immintrin.h>

#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <cstring>

namespace tile_emulator {
namespace {

// In the handler of a signal that an instruction itself raised no lock of the C library is held by what it interrupted,
// so that formatting is safe there.
[[gnu::format(printf, 2, 3)]] Refusal refused(Fault fault, const char* format, ...) {
  Refusal refusal;
  refusal.fault = fault;
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(refusal.reason, sizeof refusal.reason, format, arguments);
  va_end(arguments);
  return refusal;
}

// The 64 bytes of LDTILECFG and STTILECFG.
struct Configuration {
  uint8_t palette, start_row, reserved[14];
  uint16_t row_bytes[16];
  uint8_t rows[16];
};
static_assert(sizeof(Configuration) == 64);

std::optional<Refusal> load_configuration(TileState& state, const uint8_t* address) {
  Configuration wanted;
  std::memcpy(&wanted, address, sizeof wanted);
  if (wanted.palette == 0) {
    state = {};
    return std::nullopt;
  }
  if (wanted.palette != 1) return refused(Fault::kProtection, "palette %d does not exist", wanted.palette);
  bool reserved = false;
  for (const uint8_t byte : wanted.reserved) reserved |= byte != 0;
  for (int tile = kTiles; tile < 16; ++tile) reserved |= wanted.row_bytes[tile] != 0 || wanted.rows[tile] != 0;
  if (reserved) return refused(Fault::kProtection, "reserved bytes of the configuration are not 0");
  for (int tile = 0; tile < kTiles; ++tile) {
    const int bytes = wanted.row_bytes[tile], rows = wanted.rows[tile];
    if (bytes > kMostBytes) return refused(Fault::kProtection, "tmm%d: %d bytes a row, at most 64 are", tile, bytes);
    if (rows > kMostRows) return refused(Fault::kProtection, "tmm%d: %d rows, at most 16 are", tile, rows);
    if ((bytes == 0) != (rows == 0))
      return refused(Fault::kProtection, "tmm%d: %d rows of %d bytes, one of them 0 alone", tile, rows, bytes);
  }
  state = {};
  state.palette = wanted.palette;
  state.start_row = wanted.start_row;
  std::copy_n(wanted.row_bytes, kTiles, state.row_bytes);
  std::copy_n(wanted.rows, kTiles, state.rows);
  return std::nullopt;
}

void store_configuration(const TileState& state, uint8_t* address) {
  Configuration now{};
  now.palette = state.palette;
  now.start_row = state.start_row;
  std::copy_n(state.row_bytes, kTiles, now.row_bytes);
  std::copy_n(state.rows, kTiles, now.rows);
  std::memcpy(address, &now, sizeof now);
}

std::optional<Refusal> invalid(const TileState& state, int tile) {
  if (state.palette == 0) return refused(Fault::kUndefined, "tiles are not configured");
  if (state.rows[tile] == 0) return refused(Fault::kUndefined, "tmm%d has no shape in the configuration", tile);
  return std::nullopt;
}

std::optional<Refusal> not_of_dwords(const TileState& state, int tile) {
  if (auto refusal = invalid(state, tile)) return refusal;
  if (state.row_bytes[tile] % 4 == 0) return std::nullopt;
  return refused(Fault::kUndefined, "tmm%d has rows of %d bytes, no multiple of 4", tile, state.row_bytes[tile]);
}

// What TILELOADD and TILESTORED ask of their tile (AMX-E3).
std::optional<Refusal> not_movable(const TileState& state, int tile) {
  if (auto refusal = not_of_dwords(state, tile)) return refusal;
  if (state.start_row < state.rows[tile]) return std::nullopt;
  return refused(Fault::kUndefined, "start_row is %d and tmm%d has %d rows", state.start_row, tile, state.rows[tile]);
}

// What products ask of their tiles (AMX-E4).
std::optional<Refusal> not_multipliable(const TileState& state, int sum, int left, int right) {
  if (sum == left || sum == right || left == right)
    return refused(Fault::kUndefined, "tmm%d, tmm%d, tmm%d must be three", sum, left, right);
  for (const int tile : {sum, left, right})
    if (auto refusal = not_of_dwords(state, tile)) return refusal;
  if (state.row_bytes[sum] != state.row_bytes[right])
    return refused(Fault::kUndefined, "rows of the sums tmm%d have %d bytes, those of the right factor tmm%d %d", sum,
                   state.row_bytes[sum], right, state.row_bytes[right]);
  if (state.rows[sum] != state.rows[left])
    return refused(Fault::kUndefined, "the sums tmm%d have %d rows, the left factor tmm%d %d", sum, state.rows[sum],
                   left, state.rows[left]);
  if (state.row_bytes[left] / 4 != state.rows[right])
    return refused(Fault::kUndefined, "rows of the left factor tmm%d have %d dwords, the right factor tmm%d %d rows",
                   left, state.row_bytes[left] / 4, right, state.rows[right]);
  return std::nullopt;
}

void load(TileState& state, int tile, const uint8_t* address, int64_t stride) {
  const size_t bytes = state.row_bytes[tile];
  for (int row = state.start_row; row < state.rows[tile]; ++row) {
    std::memcpy(state.data[tile][row], address + row * stride, bytes);
    std::memset(state.data[tile][row] + bytes, 0, kMostBytes - bytes);
  }
  std::memset(state.data[tile][state.rows[tile]], 0, static_cast<size_t>(kMostRows - state.rows[tile]) * kMostBytes);
}

void store(const TileState& state, int tile, uint8_t* address, int64_t stride) {
  for (int row = state.start_row; row < state.rows[tile]; ++row)
    std::memcpy(address + row * stride, state.data[tile][row], state.row_bytes[tile]);
}

// Rounds to nearest even, takes and makes no subnormal numbers, raises nothing: MXCSR of the program has no say.
class FlushedSubnormals {
 public:
  FlushedSubnormals() : before_(_mm_getcsr()) {
    constexpr unsigned kFlushResults = 1u << 15, kFlushOperands = 1u << 6, kMaskAll = 0x3fu << 7;
    _mm_setcsr(kFlushResults | kFlushOperands | kMaskAll);
  }
  ~FlushedSubnormals() { _mm_setcsr(before_); }
  FlushedSubnormals(const FlushedSubnormals&) = delete;
  FlushedSubnormals& operator=(const FlushedSubnormals&) = delete;

 private:
  unsigned before_;
};

}  // namespace

std::optional<Refusal> TileState::execute(const Instruction& instruction, uint8_t* address, int64_t stride) {
  const auto [op, length, tile, left, right, memory, wrong] = instruction;
  if (wrong != nullptr) return refused(Fault::kUndefined, "%s", wrong);
  std::optional<Refusal> refusal;
  switch (op) {
    case Op::kLoadConfig:
      return load_configuration(*this, address);
    case Op::kStoreConfig:
      store_configuration(*this, address);
      return std::nullopt;
    case Op::kRelease:
      *this = {};
      return std::nullopt;
    case Op::kZero:
      if ((refusal = invalid(*this, tile))) return refusal;
      std::memset(data[tile], 0, sizeof data[tile]);
      break;
    case Op::kLoad:
    case Op::kLoadT1:
      if ((refusal = not_movable(*this, tile))) return refusal;
      load(*this, tile, address, stride);
      break;
    case Op::kStore:
      if ((refusal = not_movable(*this, tile))) return refusal;
      store(*this, tile, address, stride);
      break;
    case Op::kDotBf16: {
      if ((refusal = not_multipliable(*this, tile, left, right))) return refusal;
      const FlushedSubnormals flushed;
      dot_bf16(*this, tile, left, right);
      break;
    }
    case Op::kDotSignedSigned:
    case Op::kDotSignedUnsigned:
    case Op::kDotUnsignedSigned:
    case Op::kDotUnsignedUnsigned:
      if ((refusal = not_multipliable(*this, tile, left, right))) return refusal;
      dot_bytes(*this, tile, left, right, op == Op::kDotSignedSigned || op == Op::kDotSignedUnsigned,
                op == Op::kDotSignedSigned || op == Op::kDotUnsignedSigned);
      break;
  }
  start_row = 0;
  return std::nullopt;
}

}  // namespace tile_emulator
