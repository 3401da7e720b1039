#include "compiler/ttir/verifier.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "compiler/ttir/parser.h"
#include "kernels.h"

namespace fl::ttir {
namespace {

struct Rule {
  const char* arguments;
  const char* body;
  const char* refusal;  // what the text must hold
};

class Refuses : public ::testing::TestWithParam<Rule> {};

TEST_P(Refuses, and_names_the_operation_and_its_line) {
  const auto module = parse(test::module_of(GetParam().arguments, std::string("    ") + GetParam().body));
  try {
    verify(*module);
    FAIL() << "accepted: " << GetParam().body;
  } catch (const Error& error) {
    EXPECT_EQ(error.status(), FL_INVALID_ARGUMENT);
    EXPECT_EQ(std::string(error.what()).find("line 3, column "), 0u) << error.what();
    EXPECT_NE(std::string(error.what()).find(GetParam().refusal), std::string::npos) << error.what();
  }
}

INSTANTIATE_TEST_SUITE_P(
    Verifier, Refuses,
    ::testing::Values(
        Rule{"%a: f32", "%0 = arith.addi %a, %a : f32", "takes integers"},
        Rule{"%a: i32", "%0 = arith.addf %a, %a : i32", "floating-point"},
        Rule{"%a: i32", "%0 = arith.extsi %a : i32 to i16", "widens"},
        Rule{"%a: i32", "%0 = arith.trunci %a : i32 to i64", "narrows"},
        Rule{"%a: i32", "%0 = tt.bitcast %a : i32 -> f64", "keeps the number of bits"},
        Rule{"%a: i32", "%0 = arith.cmpi olt, %a, %a : i32", "no predicate 'olt'"},
        Rule{"", "%0 = tt.make_range {end = 7 : i32, start = 0 : i32} : tensor<8xi32>", "start and end"},
        Rule{"%a: i32", "%0 = tt.splat %a : i32 -> tensor<3xi32>", "powers of two"},
        Rule{"%a: i32", "%0 = tt.splat %a : i32 -> tensor<4xf32>", "makes a block"},
        Rule{"%a: i32", "%0 = tt.addptr %a, %a : i32, i32", "adds integers to pointers"},
        Rule{"%a: !tt.ptr<i1>", "%0 = tt.load %a : !tt.ptr<i1>", "single bits"},
        Rule{"%a: !tt.ptr<i32>, %v: f32", "tt.store %a, %v : !tt.ptr<i32>", "stores what its pointers point to"},
        Rule{"%a: !tt.ptr<f32>, %v: f32", "%0 = tt.atomic_rmw add, relaxed, gpu, %a, %v : (!tt.ptr<f32>, f32) -> f32",
             "does not work on f32"},
        Rule{"%a: i32", "%0 = tt.get_program_id w : i32", "along x, y or z"},
        Rule{"%c: i1", "%0 = scf.if %c -> (i32) {\n scf.yield\n}", "needs an else"},
        Rule{"%c: i32", "scf.if %c {\n}", "takes an i1"}, Rule{"%a: i32", "scf.yield %a : i32", "ends its block"},
        Rule{"%a: f32", "scf.for %i = %a to %a step %a : f32 {\n}", "counts with one integer type"}));

TEST(Verifier, wants_a_value_computed_on_every_way_to_its_use) {
  const auto module = parse(
      "module {\n  tt.func public @k(%c: i1) {\n    cf.cond_br %c, ^bb1, ^bb2\n  ^bb1:\n    %x = arith.constant 1 : "
      "i32\n"
      "    cf.br ^bb2\n  ^bb2:\n    %y = arith.addi %x, %x : i32\n    tt.return\n  }\n}\n");
  try {
    verify(*module);
    FAIL();
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "line 8, column 10: 'arith.addi' uses %x, which may not have been computed");
  }
}

TEST(Verifier, refuses_branches_that_go_back) {
  const auto module = parse("module {\n  tt.func public @k() {\n    cf.br ^bb1\n  ^bb1:\n    cf.br ^bb1\n  }\n}\n");
  EXPECT_THROW(verify(*module), Error);
}

}  // namespace
}  // namespace fl::ttir
