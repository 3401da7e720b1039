#include "decode.h"

#include <cstring>

namespace tile_emulator {
namespace {

enum Prefix : unsigned { kNone = 0, k66 = 1, kF3 = 2, kF2 = 3 };  // VEX.pp

// The operands of an encoding.
enum class Form : uint8_t { kMemory, kNothing, kTile, kTileAndRows, kThreeTiles };

struct Row {
  uint8_t opcode;
  Prefix prefix;
  Form form;
  Op op;
  const char* mnemonic;
};

// In the order of Op. LDTILECFG and TILERELEASE share opcode and prefix: the one has memory, the other a register.
constexpr Row kRows[kOps] = {
    {0x49, kNone, Form::kMemory, Op::kLoadConfig, "LDTILECFG"},
    {0x49, k66, Form::kMemory, Op::kStoreConfig, "STTILECFG"},
    {0x49, kNone, Form::kNothing, Op::kRelease, "TILERELEASE"},
    {0x49, kF2, Form::kTile, Op::kZero, "TILEZERO"},
    {0x4b, kF2, Form::kTileAndRows, Op::kLoad, "TILELOADD"},
    {0x4b, k66, Form::kTileAndRows, Op::kLoadT1, "TILELOADDT1"},
    {0x4b, kF3, Form::kTileAndRows, Op::kStore, "TILESTORED"},
    {0x5c, kF3, Form::kThreeTiles, Op::kDotBf16, "TDPBF16PS"},
    {0x5e, kF2, Form::kThreeTiles, Op::kDotSignedSigned, "TDPBSSD"},
    {0x5e, kF3, Form::kThreeTiles, Op::kDotSignedUnsigned, "TDPBSUD"},
    {0x5e, k66, Form::kThreeTiles, Op::kDotUnsignedSigned, "TDPBUSD"},
    {0x5e, kNone, Form::kThreeTiles, Op::kDotUnsignedUnsigned, "TDPBUUD"},
};

class Decoder {
 public:
  explicit Decoder(const uint8_t* code) : code_(code) {}

  std::optional<Instruction> instruction() {
    constexpr uint8_t kVex3 = 0xc4;
    if (next() != kVex3) return std::nullopt;
    const unsigned extensions = next();  // R, X and B, inverted, and the map of opcodes
    constexpr unsigned kMap0F38 = 2;
    if ((extensions & 0x1f) != kMap0F38) return std::nullopt;
    const unsigned rest = next();  // W, vvvv inverted, L, pp
    const uint8_t opcode = next();
    if (opcode != 0x49 && opcode != 0x4b && opcode != 0x5c && opcode != 0x5e) return std::nullopt;
    const unsigned byte = next();
    const bool registers = byte >> 6 == 3;
    const unsigned named = byte >> 3 & 7, low = byte & 7;
    const bool r = (extensions & 0x80) == 0, x = (extensions & 0x40) == 0, b = (extensions & 0x20) == 0;
    const unsigned fourth = ~rest >> 3 & 15;

    Instruction found;
    const Row* row = nullptr;
    for (const Row& candidate : kRows) {
      const bool in_memory = candidate.form == Form::kMemory || candidate.form == Form::kTileAndRows;
      if (candidate.opcode == opcode && candidate.prefix == (rest & 3) && in_memory != registers) row = &candidate;
    }
    const auto wrong = [&](const char* why) {
      found.wrong = why;
      return found;
    };
    if (row == nullptr)
      return wrong("no tile instruction that is emulated has this opcode, prefix and kind of operand");
    found.op = row->op;
    if ((rest & 0x80) != 0) return wrong("VEX.W must be 0");
    if ((rest & 0x04) != 0) return wrong("VEX.L must be 0");
    if (row->form != Form::kThreeTiles && fourth != 0) return wrong("VEX.vvvv must be 1111");
    if (r) return wrong("ModRM.reg names a register behind tmm7");
    found.tile = static_cast<int>(named);
    switch (row->form) {
      case Form::kMemory:
        if (named != 0) return wrong("ModRM.reg must be 0");
        break;
      case Form::kNothing:
        if (named != 0 || low != 0) return wrong("ModRM must be C0");
        break;
      case Form::kTile:
        if (low != 0) return wrong("ModRM.rm must be 0");
        break;
      case Form::kTileAndRows:
        if (low != 4) return wrong("the address must have a SIB byte");
        break;
      case Form::kThreeTiles:
        if (b || fourth > 7) return wrong("a factor is a register behind tmm7");
        found.left = static_cast<int>(low);
        found.right = static_cast<int>(fourth);
        break;
    }
    if (!registers) found.memory = memory(byte >> 6, low, x, b);
    found.length = static_cast<int>(at_);
    return found;
  }

 private:
  uint8_t next() { return code_[at_++]; }

  Memory memory(unsigned mode, unsigned low, bool x, bool b) {
    Memory memory;
    constexpr unsigned kSib = 4, kNoBase = 5;
    const auto extended = [](unsigned number, bool more) { return static_cast<int>(number + (more ? 8 : 0)); };
    unsigned base = low;
    if (low == kSib) {
      const unsigned sib = next();
      base = sib & 7;
      const int index = extended(sib >> 3 & 7, x);
      memory.scale = static_cast<int>(sib >> 6);
      if (index != 4) memory.index = index;
    }
    const bool baseless = mode == 0 && base == kNoBase;
    memory.from_next_instruction = baseless && low != kSib;
    if (!baseless) memory.base = extended(base, b);
    if (mode == 1) {
      memory.displacement = static_cast<int8_t>(next());
    } else if (mode == 2 || baseless) {
      int32_t displacement = 0;
      std::memcpy(&displacement, code_ + at_, sizeof displacement);
      at_ += sizeof displacement;
      memory.displacement = displacement;
    }
    return memory;
  }

  const uint8_t* code_;
  size_t at_ = 0;
};

}  // namespace

const char* mnemonic(Op op) { return kRows[static_cast<int>(op)].mnemonic; }

std::optional<Instruction> decode(const uint8_t* code) { return Decoder(code).instruction(); }

}  // namespace tile_emulator
