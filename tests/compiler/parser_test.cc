#include "compiler/ttir/parser.h"

#include <gtest/gtest.h>

#include <functional>
#include <set>

#include "base/error.h"
#include "compiler/ttir/float_bits.h"
#include "compiler/ttir/printer.h"
#include "compiler/ttir/verifier.h"
#include "kernels.h"

namespace fl::ttir {
namespace {

using test::module_of;

std::string refusal(const std::string& text) {
  try {
    verify(*parse(text));
  } catch (const Error& error) {
    return error.what();
  }
  return "accepted";
}

const Operation& first(const Module& module) { return *module.function.body->entry().operations.front(); }

TEST(Parser, reads_every_kernel_and_prints_what_it_reads_again) {
  const auto kernels = test::kernels();
  ASSERT_GE(kernels.size(), 12u);
  for (const auto& [name, text] : kernels) {
    const auto module = parse(text);
    verify(*module);
    const std::string once = print(*module);
    const auto again = parse(once);
    verify(*again);
    EXPECT_EQ(print(*again), once) << name;
  }
}

// What is mutated can only reach what the kernels hold.
TEST(Parser, the_kernels_hold_every_operation) {
  std::set<std::string> held;
  const std::function<void(const Block&)> visit = [&](const Block& block) {
    for (const Operation* op : block.operations) {
      held.insert(name_of(op->op));
      for (const Region* region : op->regions)
        for (const Block* inner : region->blocks) visit(*inner);
    }
  };
  for (const auto& [name, text] : test::kernels()) {
    const auto module = parse(text);
    for (const Block* block : module->function.body->blocks) visit(*block);
  }
  for (const char* name : {
#define FL_TTIR_OP(enumerator, name, syntax, rule, effect) name,
#include "compiler/ttir/ops.def"
#undef FL_TTIR_OP
       })
    EXPECT_TRUE(held.contains(name)) << name;
}

TEST(Parser, knows_names_with_a_minus_and_several_results) {
  const auto module =
      parse(module_of("%arg0: i32",
                      "    %c-766435501_i32 = arith.constant -766435501 : i32\n"
                      "    %8:2 = scf.while (%a = %arg0, %b = %c-766435501_i32) : (i32, i32) -> (i32, i32) {\n"
                      "      %t = arith.constant false\n"
                      "      scf.condition(%t) %a, %b : i32, i32\n"
                      "    } do {\n    ^bb0(%c: i32, %d: i32):\n      scf.yield %d, %c : i32, i32\n    }\n"
                      "    %9 = arith.addi %8#0, %8#1 : i32"));
  verify(*module);
  EXPECT_EQ(first(*module).constant, 0xD2511F53u);
  EXPECT_EQ(module->function.body->entry().operations[2]->operands[1]->index, 1);
}

TEST(Parser, reads_constants_as_bit_patterns) {
  struct Case {
    const char* text;
    uint64_t bits;
  };
  for (const Case& c : {Case{"dense<0xFF800000> : tensor<4xf32>", 0xFF800000},
                        {"dense<0xFC00> : tensor<4xf16>", 0xFC00},
                        {"1.000000e+00 : f32", 0x3F800000},
                        {"-3.389530e+38 : bf16", 0xFF7F},
                        {"0.1 : f64", 0x3FB999999999999A},
                        {"-5 : i8", 0xFB},
                        {"true", 1},
                        {"dense<false> : tensor<2xi1>", 0},
                        {"9223372036854775807 : i64", INT64_MAX}}) {
    const auto module = parse(module_of("", std::string("    %0 = arith.constant ") + c.text));
    EXPECT_EQ(first(*module).constant, c.bits) << c.text;
  }
}

TEST(Parser, closes_loops_that_pass_nothing) {
  const auto module = parse(module_of("%a: i32",
                                      "    scf.for %i = %a to %a step %a  : i32 {\n      %x = arith.addi %i, %i : "
                                      "i32\n    } {tt.num_stages = 4 : i32}"));
  verify(*module);
  EXPECT_EQ(first(*module).regions[0]->entry().terminator()->op, Op::kYield);
}

TEST(Parser, says_where_and_what_it_does_not_know) {
  EXPECT_EQ(refusal(module_of("", "    %0 = tt.elementwise_inline_asm \"x\"")),
            "line 3, column 10: the operation 'tt.elementwise_inline_asm' is not supported");
  EXPECT_EQ(refusal(module_of("%a: i32", "    %0 = arith.addi %a, %b : i32")),
            "line 3, column 25: %b is used here but not defined before");
  EXPECT_EQ(refusal(module_of("%a: i32", "    %0 = arith.addi %a, %a : i64")),
            "line 3, column 30: %a is a i32, but i64 is written here");
  EXPECT_EQ(refusal("module {\n"), "line 2, column 1: expected 'tt.func', found ''");
  EXPECT_EQ(refusal(module_of("%a: i128", "")), "line 2, column 25: 'i128' is not a type that this compiler knows");
  EXPECT_EQ(refusal(module_of("", "    %0 = arith.constant dense<1.0> : tensor<4096x4096xf32>")),
            "line 3, column 44: a block has 1 to 1048576 elements");
}

TEST(Parser, forgets_the_names_of_a_region_behind_it) {
  EXPECT_EQ(
      refusal(module_of("%c: i1",
                        "    scf.if %c {\n      %x = arith.constant 1 : i32\n    }\n    %y = arith.addi %x, %x : i32")),
      "line 6, column 21: %x is used here but not defined before");
}

TEST(FloatBits, rounds_to_nearest_even_in_each_type) {
  EXPECT_EQ(float_bits(65504.0, Scalar::kF16), 0x7BFFu);
  EXPECT_EQ(float_bits(65520.0, Scalar::kF16), 0x7C00u);  // halfway to the next power: infinity
  EXPECT_EQ(float_bits(5.9604644775390625e-8, Scalar::kF16), 1u);
  EXPECT_EQ(float_bits(1.00390625, Scalar::kBF16), 0x3F80u);  // halfway: to even
  EXPECT_EQ(float_bits(448.0, Scalar::kF8E4M3), 0x7Eu);
  for (uint64_t bits = 0; bits < 0x10000; ++bits) {
    const double value = float_value(bits, Scalar::kF16);
    if (value == value) {
      ASSERT_EQ(float_bits(value, Scalar::kF16), bits);
    }
  }
}

}  // namespace
}  // namespace fl::ttir
