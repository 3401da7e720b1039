// Decoding: the encodings that assemblers write, and those that are undefined.
#include "decode.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace tile_emulator::testing {
namespace {

std::optional<Instruction> of(std::vector<uint8_t> bytes) {
  const size_t length = bytes.size();
  bytes.resize(length + 16, 0x90);
  auto found = decode(bytes.data());
  if (found && found->wrong == nullptr) {
    EXPECT_EQ(found->length, length);
  }
  return found;
}

TEST(Decode, reads_every_instruction) {
  const std::pair<std::vector<uint8_t>, Op> encodings[] = {
      {{0xc4, 0xe2, 0x78, 0x49, 0x07}, Op::kLoadConfig},           // ldtilecfg (%rdi)
      {{0xc4, 0xe2, 0x79, 0x49, 0x07}, Op::kStoreConfig},          // sttilecfg (%rdi)
      {{0xc4, 0xe2, 0x78, 0x49, 0xc0}, Op::kRelease},              // tilerelease
      {{0xc4, 0xe2, 0x7b, 0x49, 0xd8}, Op::kZero},                 // tilezero %tmm3
      {{0xc4, 0xe2, 0x7b, 0x4b, 0x1c, 0x37}, Op::kLoad},           // tileloadd (%rdi,%rsi), %tmm3
      {{0xc4, 0xe2, 0x79, 0x4b, 0x1c, 0x37}, Op::kLoadT1},         // tileloaddt1 (%rdi,%rsi), %tmm3
      {{0xc4, 0xe2, 0x7a, 0x4b, 0x1c, 0x37}, Op::kStore},          // tilestored %tmm3, (%rdi,%rsi)
      {{0xc4, 0xe2, 0x4a, 0x5c, 0xdc}, Op::kDotBf16},              // tdpbf16ps %tmm6, %tmm4, %tmm3
      {{0xc4, 0xe2, 0x4b, 0x5e, 0xdc}, Op::kDotSignedSigned},      // tdpbssd
      {{0xc4, 0xe2, 0x4a, 0x5e, 0xdc}, Op::kDotSignedUnsigned},    // tdpbsud
      {{0xc4, 0xe2, 0x49, 0x5e, 0xdc}, Op::kDotUnsignedSigned},    // tdpbusd
      {{0xc4, 0xe2, 0x48, 0x5e, 0xdc}, Op::kDotUnsignedUnsigned},  // tdpbuud
  };
  for (const auto& [bytes, op] : encodings) {
    const auto found = of(bytes);
    ASSERT_TRUE(found) << mnemonic(op);
    ASSERT_EQ(found->wrong, nullptr) << mnemonic(op);
    EXPECT_EQ(found->op, op) << mnemonic(op);
    if (op == Op::kLoadConfig || op == Op::kStoreConfig || op == Op::kRelease) continue;
    EXPECT_EQ(found->tile, 3) << mnemonic(op);
    if (bytes[3] < 0x5c) continue;
    EXPECT_EQ(found->left, 4) << mnemonic(op);
    EXPECT_EQ(found->right, 6) << mnemonic(op);
  }
}

TEST(Decode, reads_every_form_of_address) {
  const auto expect = [](const Memory& wanted, std::vector<uint8_t> bytes) {
    const auto found = of(std::move(bytes));
    ASSERT_TRUE(found && found->wrong == nullptr);
    EXPECT_EQ(found->memory.base, wanted.base);
    EXPECT_EQ(found->memory.index, wanted.index);
    EXPECT_EQ(found->memory.scale, wanted.scale);
    EXPECT_EQ(found->memory.displacement, wanted.displacement);
    EXPECT_EQ(found->memory.from_next_instruction, wanted.from_next_instruction);
  };
  constexpr int kNone = Memory::kNone;
  // tileloadd -16(%rbp,%rsi,8), %tmm0
  expect({5, 6, 3, -16, false}, {0xc4, 0xe2, 0x7b, 0x4b, 0x44, 0xf5, 0xf0});
  // tileloadd 0x12345678(%r13,%r12,4), %tmm0
  expect({13, 12, 2, 0x12345678, false}, {0xc4, 0x82, 0x7b, 0x4b, 0x84, 0xa5, 0x78, 0x56, 0x34, 0x12});
  // tileloadd (%rsp), %tmm0
  expect({4, kNone, 0, 0, false}, {0xc4, 0xe2, 0x7b, 0x4b, 0x04, 0x24});
  // tileloadd 64(,%rsi,1), %tmm0
  expect({kNone, 6, 0, 64, false}, {0xc4, 0xe2, 0x7b, 0x4b, 0x04, 0x35, 0x40, 0x00, 0x00, 0x00});
  // ldtilecfg -8(%rip)
  expect({kNone, kNone, 0, -8, true}, {0xc4, 0xe2, 0x78, 0x49, 0x05, 0xf8, 0xff, 0xff, 0xff});
  // ldtilecfg 8(%r15)
  expect({15, kNone, 0, 8, false}, {0xc4, 0xc2, 0x78, 0x49, 0x47, 0x08});
}

TEST(Decode, leaves_other_instructions_alone) {
  EXPECT_FALSE(of({0x0f, 0x0b}));                          // ud2
  EXPECT_FALSE(of({0xc5, 0xf8, 0x77}));                    // vzeroupper
  EXPECT_FALSE(of({0xc4, 0xe2, 0x7d, 0x58, 0x07}));        // vpbroadcastd
  EXPECT_FALSE(of({0xc4, 0xe3, 0x7d, 0x4b, 0xc1, 0x20}));  // vblendvpd: the opcode of another map
  EXPECT_FALSE(of({0x62, 0xf2, 0x7d, 0x48, 0x49, 0x07}));  // EVEX
}

TEST(Decode, says_why_an_encoding_is_undefined) {
  const auto why = [](std::vector<uint8_t> bytes) -> std::string {
    const auto found = of(std::move(bytes));
    return found && found->wrong != nullptr ? found->wrong : "";
  };
  EXPECT_EQ(why({0xc4, 0xe2, 0xf8, 0x49, 0x07}), "VEX.W must be 0");
  EXPECT_EQ(why({0xc4, 0xe2, 0x7c, 0x49, 0x07}), "VEX.L must be 0");
  EXPECT_EQ(why({0xc4, 0xe2, 0x70, 0x49, 0x07}), "VEX.vvvv must be 1111");
  EXPECT_EQ(why({0xc4, 0x62, 0x7b, 0x49, 0xd8}), "ModRM.reg names a register behind tmm7");
  EXPECT_EQ(why({0xc4, 0xe2, 0x78, 0x49, 0x0f}), "ModRM.reg must be 0");
  EXPECT_EQ(why({0xc4, 0xe2, 0x78, 0x49, 0xc1}), "ModRM must be C0");
  EXPECT_EQ(why({0xc4, 0xe2, 0x7b, 0x49, 0xd9}), "ModRM.rm must be 0");
  EXPECT_EQ(why({0xc4, 0xe2, 0x7b, 0x4b, 0x1f}), "the address must have a SIB byte");
  EXPECT_EQ(why({0xc4, 0xc2, 0x4b, 0x5e, 0xdc}), "a factor is a register behind tmm7");
  EXPECT_EQ(why({0xc4, 0xe2, 0x0b, 0x5e, 0xdc}), "a factor is a register behind tmm7");
  for (const std::vector<uint8_t>& bytes : {std::vector<uint8_t>{0xc4, 0xe2, 0x4b, 0x5c, 0xdc},  // tdpfp16ps
                                            {0xc4, 0xe2, 0x78, 0x4b, 0x1c, 0x37},
                                            {0xc4, 0xe2, 0x4a, 0x5c, 0x1c, 0x37}})
    EXPECT_EQ(why(bytes), "no tile instruction that is emulated has this opcode, prefix and kind of operand");
}

}  // namespace
}  // namespace tile_emulator::testing
