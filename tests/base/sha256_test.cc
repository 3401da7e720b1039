#include "base/sha256.h"

#include <gtest/gtest.h>

namespace fl {
namespace {

// The examples of FIPS 180-4 and NIST's "SHA-256 example values".
TEST(Sha256, gives_the_published_digests) {
  EXPECT_EQ(hex(sha256("")), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(hex(sha256("abc")), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(hex(sha256("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq")),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(hex(sha256(std::string(1'000'000, 'a'))),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(Sha256, knows_every_length_around_a_block) {
  std::string text;
  std::string all;
  for (int length = 0; length < 130; ++length, text += 'x') all += hex(sha256(text));
  // Of the 130 digests one behind another, by another implementation (Python's hashlib).
  EXPECT_EQ(hex(sha256(all)), "199af942eba7fa5d1e16d475169eb24018b14e69339c93d26a9ea6d873b4ace6");
}

}  // namespace
}  // namespace fl
