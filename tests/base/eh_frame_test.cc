#include <gtest/gtest.h>

#include <cstring>
#include <string>

#include "base/object_debug.h"

namespace {

std::string word(uint32_t value) {
  std::string bytes(4, '\0');
  std::memcpy(bytes.data(), &value, 4);
  return bytes;
}

// As gcc writes it: version 1, "zR", alignments 1 and -8, return address 16, pc-relative signed 4 bytes.
std::string cie() {
  const std::string body = word(0) + std::string("\x01zR\0\x01\x78\x10\x01\x1b\x0c\x07\x08\x90\x01\0\0", 16);
  return word(static_cast<uint32_t>(body.size())) + body;
}

std::string fde(uint32_t back) {
  const std::string body = word(back) + word(0x1234) + word(16) + std::string(4, '\0');
  return word(static_cast<uint32_t>(body.size())) + body;
}

bool good(const std::string& frames) {
  return fl::well_formed_frames(std::as_bytes(std::span(frames.data(), frames.size())));
}

const uint32_t kBack = static_cast<uint32_t>(cie().size()) + 4;  // from the first FDE's CIE pointer to the CIE

TEST(EhFrame, accepts_what_a_compiler_writes) {
  EXPECT_TRUE(good(cie() + fde(kBack)));
  EXPECT_TRUE(good(cie() + fde(kBack) + fde(kBack + 20)));
  EXPECT_TRUE(good(cie() + fde(kBack) + word(0)));
  EXPECT_TRUE(good(cie() + fde(kBack) + cie() + fde(kBack)));
}

TEST(EhFrame, refuses_what_would_mislead_the_unwinder) {
  EXPECT_FALSE(good(""));
  EXPECT_FALSE(good(word(0)));
  EXPECT_FALSE(good(fde(4)));                                   // no CIE before it
  EXPECT_FALSE(good(cie() + fde(kBack - 1)));                   // points into the middle of the CIE
  EXPECT_FALSE(good(cie() + fde(kBack + 100)));                 // points before the section
  EXPECT_FALSE(good(cie() + fde(kBack) + fde(20)));             // points at the other FDE
  EXPECT_FALSE(good(cie() + fde(kBack) + word(0) + cie()));     // the unwinder would stop at the terminator
  EXPECT_FALSE(good(cie() + word(1000) + word(kBack)));         // longer than the section
  EXPECT_FALSE(good(cie() + std::string(3, '\1')));             // half a length
  EXPECT_FALSE(good(word(0xffffffff) + std::string(16, 'x')));  // the 64-bit form
}

TEST(EhFrame, refuses_each_truncation_inside_a_record) {
  const std::string whole = cie() + fde(kBack);
  for (size_t size = 1; size < whole.size(); ++size) {
    EXPECT_EQ(good(whole.substr(0, size)), size == cie().size()) << size;  // a CIE alone is whole
  }
}

TEST(EhFrame, refuses_a_cie_of_another_form) {
  for (const auto& [at, byte] : {std::pair<size_t, char>{8, 3}, {9, 'e'}, {10, 'P'}, {11, 'X'}, {15, 2}, {16, 0x3b}}) {
    std::string other = cie();
    other[at] = byte;
    EXPECT_FALSE(good(other + fde(kBack))) << at;
  }
}

}  // namespace
