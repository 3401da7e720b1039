// What the definition forbids ends the process: #UD as SIGILL, #GP as SIGSEGV, by the emulator with a sentence.
#include <gtest/gtest.h>

#include <csignal>
#include <string>

#include "instructions.h"
#include "signal_handler.h"

namespace tile_emulator::testing {
namespace {

// The processor says nothing where it executes tiles itself.
#define EXPECT_REFUSED(statement, signal, sentence) \
  EXPECT_EXIT(statement, ::testing::KilledBySignal(signal), emulating() ? sentence : "")
#define EXPECT_UNDEFINED(statement, sentence) \
  EXPECT_REFUSED(statement, SIGILL, "tile emulator: .*#UD: " + std::string(sentence))
#define EXPECT_PROTECTED(statement, sentence) \
  EXPECT_REFUSED(statement, SIGSEGV, "tile emulator: LDTILECFG.*#GP: " + std::string(sentence))

alignas(64) char memory[1024];

// Runs before any other test, in a process that has not asked.
TEST(TilePermissionDeathTest, data_of_tiles_are_refused_until_they_are_asked_for) {
  if (!emulating()) GTEST_SKIP() << "the processor has tiles, and the library asks for them as it begins";
  configure_only(Shapes::whole());
  EXPECT_UNDEFINED(zero<0>(), "the process has not asked for the state of tiles");
  EXPECT_UNDEFINED(load<0>(memory, 64), "the process has not asked for the state of tiles");
  fl_emulated_tile_features();
  zero<0>();
  release();
}

TEST(TileRefusals, of_configurations) {
  Shapes shapes = Shapes::whole();
  shapes.palette = 2;
  EXPECT_PROTECTED(configure(shapes), "palette 2 does not exist");
  shapes = Shapes::whole();
  shapes.reserved[13] = 1;
  EXPECT_PROTECTED(configure(shapes), "reserved bytes of the configuration are not 0");
  shapes = Shapes::whole().tile(8, 0, 4);
  EXPECT_PROTECTED(configure(shapes), "reserved bytes of the configuration are not 0");
  shapes = Shapes::whole().tile(15, 1, 0);
  EXPECT_PROTECTED(configure(shapes), "reserved bytes of the configuration are not 0");
  shapes = Shapes::whole().tile(3, 16, 68);
  EXPECT_PROTECTED(configure(shapes), "tmm3: 68 bytes a row, at most 64 are");
  shapes = Shapes::whole().tile(7, 17, 64);
  EXPECT_PROTECTED(configure(shapes), "tmm7: 17 rows, at most 16 are");
  shapes = Shapes::whole().tile(1, 0, 64);
  EXPECT_PROTECTED(configure(shapes), "tmm1: 0 rows of 64 bytes, one of them 0 alone");
  shapes = Shapes::whole().tile(1, 2, 0);
  EXPECT_PROTECTED(configure(shapes), "tmm1: 2 rows of 0 bytes, one of them 0 alone");
}

TEST(TileRefusals, of_anything_without_a_configuration) {
  configure(Shapes::whole());
  release();
  EXPECT_UNDEFINED(zero<0>(), "tiles are not configured");
  EXPECT_UNDEFINED(load<0>(memory, 64), "tiles are not configured");
  EXPECT_UNDEFINED(store<0>(memory, 64), "tiles are not configured");
  EXPECT_UNDEFINED((multiply<Product::kBf16, 0, 1, 2>()), "tiles are not configured");
}

TEST(TileRefusals, of_tiles_without_a_shape) {
  Shapes shapes;
  configure(shapes.tile(0, 16, 64).tile(1, 16, 64));
  EXPECT_UNDEFINED(zero<2>(), "tmm2 has no shape in the configuration");
  EXPECT_UNDEFINED(load<3>(memory, 64), "tmm3 has no shape in the configuration");
  EXPECT_UNDEFINED(store<7>(memory, 64), "tmm7 has no shape in the configuration");
  EXPECT_UNDEFINED((multiply<Product::kSS, 2, 0, 1>()), "tmm2 has no shape in the configuration");
  EXPECT_UNDEFINED((multiply<Product::kSU, 0, 2, 1>()), "tmm2 has no shape in the configuration");
  EXPECT_UNDEFINED((multiply<Product::kUU, 0, 1, 2>()), "tmm2 has no shape in the configuration");
  release();
}

TEST(TileRefusals, of_rows_that_are_no_dwords) {
  configure(Shapes::whole().tile(1, 16, 62));
  EXPECT_UNDEFINED(load<1>(memory, 64), "tmm1 has rows of 62 bytes, no multiple of 4");
  EXPECT_UNDEFINED(store<1>(memory, 64), "tmm1 has rows of 62 bytes, no multiple of 4");
  EXPECT_UNDEFINED((multiply<Product::kBf16, 1, 2, 3>()), "tmm1 has rows of 62 bytes, no multiple of 4");
  release();
}

TEST(TileRefusals, of_a_start_row_behind_the_tile) {
  Shapes shapes = Shapes::whole().tile(1, 4, 64);
  shapes.start_row = 4;
  configure(shapes);
  EXPECT_UNDEFINED(load<1>(memory, 64), "start_row is 4 and tmm1 has 4 rows");
  EXPECT_UNDEFINED(store<1>(memory, 64), "start_row is 4 and tmm1 has 4 rows");
  release();
}

// Assemblers refuse a register that is named twice.
TEST(TileRefusals, of_a_register_that_is_named_twice) {
  configure(Shapes::whole());
  EXPECT_UNDEFINED(asm volatile(".byte 0xc4, 0xe2, 0x73, 0x5e, 0xc0"), "tmm0, tmm0, tmm1 must be three");
  EXPECT_UNDEFINED(asm volatile(".byte 0xc4, 0xe2, 0x7b, 0x5e, 0xc1"), "tmm0, tmm1, tmm0 must be three");
  EXPECT_UNDEFINED(asm volatile(".byte 0xc4, 0xe2, 0x72, 0x5c, 0xc1"), "tmm0, tmm1, tmm1 must be three");
  release();
}

TEST(TileRefusals, of_factors_whose_shapes_do_not_fit) {
  Shapes shapes = Shapes::whole();
  // tmm0 3 x 5 = tmm1 3 x 7 . tmm2 7 x 5 fits; the others each miss it by one side.
  shapes.tile(0, 3, 20).tile(1, 3, 28).tile(2, 7, 20).tile(3, 4, 28).tile(4, 7, 24).tile(5, 8, 20);
  configure(shapes);
  multiply<Product::kBf16, 0, 1, 2>();
  EXPECT_UNDEFINED((multiply<Product::kBf16, 0, 3, 2>()), "the sums tmm0 have 3 rows, the left factor tmm3 4");
  EXPECT_UNDEFINED((multiply<Product::kUS, 0, 1, 4>()),
                   "rows of the sums tmm0 have 20 bytes, those of the right factor tmm4 24");
  EXPECT_UNDEFINED((multiply<Product::kSS, 0, 1, 5>()),
                   "rows of the left factor tmm1 have 7 dwords, the right factor tmm5 8 rows");
  release();
}

TEST(TileRefusals, of_encodings_that_are_undefined) {
  configure(Shapes::whole());
  EXPECT_UNDEFINED(asm volatile(".byte 0xc4, 0xe2, 0xfb, 0x49, 0xc0"), "VEX.W must be 0");
  EXPECT_UNDEFINED(asm volatile(".byte 0xc4, 0xe2, 0x7f, 0x49, 0xc0"), "VEX.L must be 0");
  EXPECT_UNDEFINED(asm volatile(".byte 0xc4, 0xe2, 0x7b, 0x4b, 0x07" ::"D"(memory)),
                   "the address must have a SIB byte");
  release();
}

}  // namespace
}  // namespace tile_emulator::testing
