// Every tile instruction against its definition: the emulator's, or the processor's own where that has them.
#include "instructions.h"

#include <gtest/gtest.h>
#include <immintrin.h>
#include <ucontext.h>

#include <array>
#include <cmath>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <random>
#include <thread>
#include <vector>

#include "decode.h"
#include "signal_handler.h"
#include "tile_emulator.h"

namespace tile_emulator::testing {
namespace {

class SaysWhoExecutes : public ::testing::Environment {
  void SetUp() override {
    std::printf("Tile instructions are executed by %s.\n", emulating() ? "the emulator" : "the processor");
  }
};
[[maybe_unused]] const auto* const environment = ::testing::AddGlobalTestEnvironment(new SaysWhoExecutes);

using Bytes = std::vector<uint8_t>;

Bytes random_bytes(std::mt19937& engine, size_t count) {
  Bytes bytes(count);
  for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(engine());
  return bytes;
}

template <class T>
T element(const Bytes& bytes, size_t index) {
  T value;
  std::memcpy(&value, bytes.data() + index * sizeof value, sizeof value);
  return value;
}

float flushed(float x) { return std::abs(x) < 0x1p-126f ? std::copysign(0.0f, x) : x; }

float bf16(const Bytes& bytes, size_t index) {
  const uint32_t bits = uint32_t{element<uint16_t>(bytes, index)} << 16;
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return flushed(value);
}

// The definitions, element by element: left has m rows of k dwords, right k rows of n, sum m rows of n.
Bytes defined_bf16(const Bytes& sum, const Bytes& left, const Bytes& right, size_t m, size_t n, size_t k) {
  Bytes result(sum.size());
  for (size_t i = 0; i < m * n; ++i) {
    float parts[2] = {0, 0};
    for (size_t j = 0; j < k; ++j)
      for (size_t p = 0; p < 2; ++p)
        parts[p] =
            flushed(std::fma(bf16(left, (i / n * k + j) * 2 + p), bf16(right, (j * n + i % n) * 2 + p), parts[p]));
    const float value = flushed(flushed(element<float>(sum, i)) + flushed(parts[0] + parts[1]));
    std::memcpy(result.data() + 4 * i, &value, 4);
  }
  return result;
}

template <class Left, class Right>
Bytes defined_bytes(const Bytes& sum, const Bytes& left, const Bytes& right, size_t m, size_t n, size_t k) {
  Bytes result(sum.size());
  for (size_t i = 0; i < m * n; ++i) {
    auto value = element<uint32_t>(sum, i);
    for (size_t j = 0; j < k; ++j)
      for (size_t p = 0; p < 4; ++p)
        value += static_cast<uint32_t>(element<Left>(left, (i / n * k + j) * 4 + p) *
                                       element<Right>(right, (j * n + i % n) * 4 + p));
    std::memcpy(result.data() + 4 * i, &value, 4);
  }
  return result;
}

Bytes defined(Product product, const Bytes& sum, const Bytes& left, const Bytes& right, size_t m, size_t n, size_t k) {
  switch (product) {
    case Product::kBf16:
      return defined_bf16(sum, left, right, m, n, k);
    case Product::kSS:
      return defined_bytes<int8_t, int8_t>(sum, left, right, m, n, k);
    case Product::kSU:
      return defined_bytes<int8_t, uint8_t>(sum, left, right, m, n, k);
    case Product::kUS:
      return defined_bytes<uint8_t, int8_t>(sum, left, right, m, n, k);
    default:
      return defined_bytes<uint8_t, uint8_t>(sum, left, right, m, n, k);
  }
}

// bf16 of moderate size, now and then subnormal or 0; sums of f32 alike.
void make_floats(std::mt19937& engine, Bytes& bytes, bool halves) {
  for (size_t at = halves ? 1 : 3; at < bytes.size(); at += halves ? 2 : 4) {
    const bool small = engine() % 16 == 0;
    const uint32_t exponent = small ? 0 : 127 - 20 + engine() % 40;
    bytes[at] = static_cast<uint8_t>((bytes[at] & 0x80) | exponent >> 1);
    bytes[at - 1] = static_cast<uint8_t>((bytes[at - 1] & 0x7f) | (exponent & 1) << 7);
  }
}

template <Product kProduct>
void expect_products_as_defined() {
  std::mt19937 engine(static_cast<unsigned>(kProduct) + 1);
  for (int round = 0; round < 100; ++round) {
    const bool whole = round == 0;
    const size_t m = whole ? 16 : 1 + engine() % 16, n = whole ? 16 : 1 + engine() % 16,
                 k = whole ? 16 : 1 + engine() % 16;
    Bytes sum = random_bytes(engine, m * n * 4), left = random_bytes(engine, m * k * 4),
          right = random_bytes(engine, k * n * 4);
    if (kProduct == Product::kBf16) {
      make_floats(engine, sum, false);
      make_floats(engine, left, true);
      make_floats(engine, right, true);
    }
    Shapes shapes;
    const int rows = static_cast<int>(m), columns = static_cast<int>(n) * 4, depth = static_cast<int>(k);
    configure(shapes.tile(5, rows, columns).tile(2, rows, depth * 4).tile(7, depth, columns));
    load<5>(sum.data(), columns);
    load<2>(left.data(), depth * 4);
    load<7>(right.data(), columns);
    multiply<kProduct, 5, 2, 7>();
    Bytes result(sum.size());
    store<5>(result.data(), columns);
    release();
    ASSERT_EQ(result, defined(kProduct, sum, left, right, m, n, k)) << m << " x " << n << " x " << k;
  }
}

TEST(TileInstructions, TDPBF16PS) { expect_products_as_defined<Product::kBf16>(); }
TEST(TileInstructions, TDPBSSD) { expect_products_as_defined<Product::kSS>(); }
TEST(TileInstructions, TDPBSUD) { expect_products_as_defined<Product::kSU>(); }
TEST(TileInstructions, TDPBUSD) { expect_products_as_defined<Product::kUS>(); }
TEST(TileInstructions, TDPBUUD) { expect_products_as_defined<Product::kUU>(); }

TEST(TileInstructions, products_of_floats_ask_nothing_of_the_programs_rounding) {
  std::mt19937 engine(9);
  Bytes sum = random_bytes(engine, 1024), left = random_bytes(engine, 1024), right = random_bytes(engine, 1024);
  make_floats(engine, sum, false);
  make_floats(engine, left, true);
  make_floats(engine, right, true);
  const unsigned before = _mm_getcsr();
  constexpr unsigned kUpwards = 0x5f80;  // exceptions masked, subnormal numbers kept
  configure(Shapes::whole());
  load<0>(sum.data(), 64);
  load<1>(left.data(), 64);
  load<2>(right.data(), 64);
  _mm_setcsr(kUpwards);
  multiply<Product::kBf16, 0, 1, 2>();
  const unsigned after = _mm_getcsr();
  _mm_setcsr(before);
  Bytes result(1024);
  store<0>(result.data(), 64);
  release();
  EXPECT_EQ(after, kUpwards);
  EXPECT_EQ(result, defined(Product::kBf16, sum, left, right, 16, 16, 16));
}

TEST(TileInstructions, load_and_store_move_rows_of_any_shape) {
  std::mt19937 engine(5);
  for (int round = 0; round < 50; ++round) {
    const size_t rows = 1 + engine() % 16, dwords = 1 + engine() % 16, in = dwords * 4 + engine() % 50,
                 out = dwords * 4 + engine() % 50;
    const Bytes from = random_bytes(engine, rows * in);
    Bytes to(rows * out, 0x55), expected = to;
    for (size_t row = 0; row < rows; ++row) std::memcpy(&expected[row * out], &from[row * in], dwords * 4);
    Shapes shapes;
    configure(shapes.tile(6, static_cast<int>(rows), static_cast<int>(dwords) * 4));
    load<6>(from.data(), static_cast<int64_t>(in));
    store<6>(to.data(), static_cast<int64_t>(out));
    ASSERT_EQ(to, expected);
    zero<6>();
    store<6>(to.data(), static_cast<int64_t>(out));
    for (size_t row = 0; row < rows; ++row) std::memset(&expected[row * out], 0, dwords * 4);
    release();
    ASSERT_EQ(to, expected);
  }
}

TEST(TileInstructions, addresses_have_base_index_scale_and_displacement) {
  std::mt19937 engine(6);
  const Bytes from = random_bytes(engine, 16 * 128);
  Bytes to(1024), expected(1024);
  const auto expect_rows = [&](size_t first, size_t stride, const char* form) {
    for (size_t row = 0; row < 16; ++row) std::memcpy(&expected[row * 64], &from[first + row * stride], 64);
    store<1>(to.data(), 64);
    EXPECT_EQ(to, expected) << form;
  };
  configure(Shapes::whole());
  asm volatile("tileloadd 32(%0,%1,8), %%tmm1" ::"r"(from.data()), "r"(int64_t{8}) : "memory");
  expect_rows(32, 64, "displacement of a byte, scale 8");
  asm volatile("tileloadd 960(%0,%1,2), %%tmm1" ::"r"(from.data()), "r"(int64_t{-30}) : "memory");
  for (size_t row = 0; row < 16; ++row) std::memcpy(&expected[row * 64], &from[960 - row * 60], 64);
  store<1>(to.data(), 64);
  EXPECT_EQ(to, expected) << "rows upwards";
  asm volatile("tileloaddt1 (%0,%1,1), %%tmm1" ::"r"(from.data() + 3), "r"(int64_t{100}) : "memory");
  expect_rows(3, 100, "TILELOADDT1");
  asm volatile("tileloadd (%0), %%tmm1" ::"r"(from.data() + 7) : "memory");
  expect_rows(7, 0, "no index: one row for all");
  release();
}

// Registers that have encodings of their own as a base.
TEST(TileInstructions, any_register_is_a_base) {
  std::mt19937 engine(8);
  const Bytes from = random_bytes(engine, 1024);
  Bytes to(1024);
  configure(Shapes::whole());
  const auto check = [&](const char* base) {
    store<4>(to.data(), 64);
    EXPECT_EQ(to, from) << base;
    zero<4>();
  };
  asm volatile("mov %0, %%r12; tileloadd (%%r12,%1,1), %%tmm4" ::"r"(from.data()), "r"(int64_t{64}) : "r12", "memory");
  check("r12");
  asm volatile("mov %0, %%r13; mov %1, %%r15; tileloadd (%%r13,%%r15,1), %%tmm4" ::"r"(from.data()), "r"(int64_t{64})
               : "r13", "r15", "memory");
  check("r13, r15");
  asm volatile("mov %0, %%rax; mov %1, %%r12; tileloadd (%%rax,%%r12,2), %%tmm4" ::"r"(from.data()), "r"(int64_t{32})
               : "rax", "r12", "memory");
  check("rax, r12");
  release();
}

TEST(TileInstructions, the_configuration_is_what_was_loaded_until_it_is_released) {
  Shapes wanted, found = Shapes::whole();
  wanted.start_row = 3;
  configure(wanted.tile(0, 16, 64).tile(3, 5, 12).tile(7, 1, 6));
  store_configuration(found);
  EXPECT_EQ(std::memcmp(&wanted, &found, sizeof wanted), 0);
  EXPECT_TRUE(!emulating() || tile_emulator_configured());
  release();
  const Shapes none{.palette = 0};
  store_configuration(found);
  EXPECT_EQ(std::memcmp(&none, &found, sizeof none), 0);
  configure(wanted);
  configure(none);
  store_configuration(found);
  EXPECT_EQ(std::memcmp(&none, &found, sizeof none), 0);
  EXPECT_EQ(tile_emulator_configured(), 0);
}

alignas(64) const Shapes kStatic = Shapes::whole();

TEST(TileInstructions, a_configuration_is_found_relative_to_the_instruction_and_by_an_index) {
  Shapes found{};
  asm volatile("ldtilecfg %0" ::"m"(kStatic));
  store_configuration(found);
  EXPECT_EQ(std::memcmp(&kStatic, &found, sizeof found), 0);
  release();
  asm volatile("ldtilecfg 64(%0,%1,4)" ::"r"(&kStatic), "r"(int64_t{-16}) : "memory");
  store_configuration(found);
  EXPECT_EQ(std::memcmp(&kStatic, &found, sizeof found), 0);
  release();
}

TEST(TileInstructions, configuring_zeroes_the_tiles) {
  std::mt19937 engine(4);
  const Bytes from = random_bytes(engine, 1024);
  Bytes to(1024, 0x55);
  configure(Shapes::whole());
  load<0>(from.data(), 64);
  configure(Shapes::whole());
  store<0>(to.data(), 64);
  release();
  EXPECT_EQ(to, Bytes(1024, 0));
}

TEST(TileInstructions, start_row_counts_once) {
  std::mt19937 engine(7);
  const Bytes from = random_bytes(engine, 1024);
  Bytes to(1024, 0x55), expected = from;
  Shapes shapes = Shapes::whole();
  shapes.start_row = 5;
  configure(shapes);
  load<2>(from.data(), 64);
  Shapes after;
  store_configuration(after);
  EXPECT_EQ(after.start_row, 0);
  store<2>(to.data(), 64);
  std::memset(expected.data(), 0, 5 * 64);
  EXPECT_EQ(to, expected);
  release();
}

TEST(TileInstructions, tiles_are_the_threads_own) {
  configure(Shapes::whole());
  Bytes ones(1024, 1), result(1024);
  load<0>(ones.data(), 64);
  std::vector<std::thread> threads;
  std::array<Bytes, 4> results;
  for (size_t t = 0; t < results.size(); ++t)
    threads.emplace_back([&results, t] {
      Shapes fresh = Shapes::whole();
      store_configuration(fresh);
      EXPECT_EQ(fresh.palette, 0) << "a fresh thread has none configured";
      std::mt19937 engine(static_cast<unsigned>(t));
      const Bytes left = random_bytes(engine, 1024), right = random_bytes(engine, 1024);
      configure(Shapes::whole());
      Bytes expected(1024);
      for (int round = 0; round < 200; ++round) {
        load<1>(left.data(), 64);
        load<2>(right.data(), 64);
        multiply<Product::kSS, 0, 1, 2>();
        expected = defined(Product::kSS, expected, left, right, 16, 16, 16);
      }
      results[t].resize(1024);
      store<0>(results[t].data(), 64);
      EXPECT_EQ(results[t], expected);
      release();
    });
  for (std::thread& thread : threads) thread.join();
  store<0>(result.data(), 64);
  release();
  EXPECT_EQ(result, ones);
}

uint64_t executed(Op op) { return tile_emulator_executed(static_cast<int>(op)); }

TEST(TileEmulator, counts_what_it_executes) {
  if (!emulating()) GTEST_SKIP() << "the processor executes the tile instructions itself";
  const uint64_t zeros = executed(Op::kZero), products = executed(Op::kDotUnsignedSigned);
  configure(Shapes::whole());
  for (int i = 0; i < 3; ++i) zero<1>();
  multiply<Product::kUS, 0, 1, 2>();
  release();
  EXPECT_EQ(executed(Op::kZero), zeros + 3);
  EXPECT_EQ(executed(Op::kDotUnsignedSigned), products + 1);
  EXPECT_STREQ(tile_emulator_mnemonic(0), "LDTILECFG");
  EXPECT_STREQ(tile_emulator_mnemonic(kOps - 1), "TDPBUUD");
  EXPECT_EQ(tile_emulator_mnemonic(kOps), nullptr);
}

volatile sig_atomic_t passed_on = 0;

TEST(TileEmulator, hands_other_illegal_instructions_to_the_handler_before_it) {
  if (!emulating()) GTEST_SKIP() << "the processor executes the tile instructions itself";
  struct sigaction skip {
  }, emulator{};
  skip.sa_flags = SA_SIGINFO;
  skip.sa_sigaction = [](int, siginfo_t*, void* context) {
    static_cast<ucontext_t*>(context)->uc_mcontext.gregs[REG_RIP] += 2;  // ud2
    passed_on = passed_on + 1;
  };
  ASSERT_EQ(sigaction(SIGILL, &skip, &emulator), 0);
  EXPECT_EXIT(
      {
        install();
        asm volatile("ud2");
        configure(Shapes::whole());
        zero<0>();
        release();
        asm volatile("ud2");
        _exit(passed_on == 2 ? 0 : 1);
      },
      ::testing::ExitedWithCode(0), "");
  ASSERT_EQ(sigaction(SIGILL, &emulator, nullptr), 0);
}

TEST(TileEmulator, an_illegal_instruction_that_nobody_takes_ends_the_process) {
  EXPECT_EXIT(asm volatile("ud2"), ::testing::KilledBySignal(SIGILL), "");
}

}  // namespace
}  // namespace tile_emulator::testing
