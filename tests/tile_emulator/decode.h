// Bytes of code to tile instructions: the VEX encodings of AMX-TILE, AMX-BF16 and AMX-INT8 and their operands.
#ifndef FLAGOS_TESTS_TILE_EMULATOR_DECODE_H_
#define FLAGOS_TESTS_TILE_EMULATOR_DECODE_H_

#include <cstdint>
#include <optional>

namespace tile_emulator {

enum class Op : uint8_t {
  kLoadConfig,
  kStoreConfig,
  kRelease,
  kZero,
  kLoad,
  kLoadT1,
  kStore,
  kDotBf16,
  kDotSignedSigned,
  kDotSignedUnsigned,
  kDotUnsignedSigned,
  kDotUnsignedUnsigned,
};
constexpr int kOps = 12;

const char* mnemonic(Op op);

// Registers by their number in encodings (rax 0, rcx 1, ... r15 15), kNone for none.
struct Memory {
  static constexpr int kNone = -1;
  int base = kNone;
  int index = kNone;
  int scale = 0;  // the index counts 1 << scale times
  int64_t displacement = 0;
  bool from_next_instruction = false;  // the displacement counts from there
};

struct Instruction {
  Op op = Op::kRelease;
  int length = 0;  // in bytes
  int tile = 0;    // that is written, or stored
  int left = 0, right = 0;
  Memory memory;
  const char* wrong = nullptr;  // why the encoding is undefined; the other members then mean nothing
};

// Nothing if the bytes are no tile instruction. Bytes are read one after another and none behind the instruction.
std::optional<Instruction> decode(const uint8_t* code);

}  // namespace tile_emulator

#endif  // FLAGOS_TESTS_TILE_EMULATOR_DECODE_H_
