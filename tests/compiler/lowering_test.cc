#include <gtest/gtest.h>

#include "base/error.h"
#include "compiler/analysis/layout.h"
#include "compiler/analysis/product.h"
#include "compiler/analysis/program_groups.h"
#include "compiler/analysis/program_order.h"
#include "compiler/analysis/schedule.h"
#include "compiler/analysis/strides.h"
#include "compiler/lower/instructions/interleave.h"
#include "compiler/lower/kernel/kernel.h"
#include "compiler/ttir/parser.h"
#include "compiler/ttir/verifier.h"
#include "kernels.h"

namespace fl::compiler {
namespace {

std::unique_ptr<ttir::Module> verified(const std::string& text) {
  auto module = ttir::parse(text);
  ttir::verify(*module);
  return module;
}

Target target_of(int lanes) {
  Target target;
  target.cpu = lanes == 16 ? "x86-64-v4" : "x86-64-v3";
  target.lanes = lanes;
  target.avx512 = lanes == 16;
  return target;
}

size_t count(const std::string& text, const std::string& part) {
  size_t found = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++found;
  return found;
}

TEST(Lowering, the_main_loop_of_an_add_has_no_mask_and_no_gather) {
  const LoweredKernel kernel = lower(*verified(test::kernels().at("add")), target_of(16), {});
  EXPECT_EQ(count(kernel.text, "call <16 x float> @llvm.masked.load"), 2u);  // the rest, one strip at a time
  EXPECT_EQ(count(kernel.text, "= load <16 x float>, ptr"), 8u);             // four strips of two blocks
  EXPECT_EQ(count(kernel.text, "@llvm.masked.gather"), 0u);
}

TEST(Lowering, strips_are_as_wide_as_the_target) {
  const LoweredKernel kernel = lower(*verified(test::kernels().at("add")), target_of(8), {});
  EXPECT_GT(count(kernel.text, "<8 x float>"), 0u);
  EXPECT_EQ(count(kernel.text, "<16 x"), 0u);
}

TEST(Lowering, what_is_moved_more_than_computed_goes_in_pieces_of_the_target) {
  Target target = target_of(16);
  target.stream_bytes = 32;
  const LoweredKernel add = lower(*verified(test::kernels().at("add")), target, {});
  EXPECT_EQ(count(add.text, "= load <8 x float>, ptr"), 8u);
  EXPECT_EQ(count(add.text, "<16 x"), 0u);
  const LoweredKernel halves = lower(*verified(test::kernels().at("add_half")), target, {});
  EXPECT_EQ(count(halves.text, "<8 x"), 0u);  // 16 elements are 32 bytes
  const LoweredKernel softmax = lower(*verified(test::kernels().at("softmax")), target, {});
  EXPECT_GT(count(softmax.text, "<16 x float>"), 0u);
}

TEST(Lowering, a_copy_goes_in_whole_strips) {
  Target target = target_of(16);
  target.stream_bytes = 32;
  const std::string text =
      test::module_of("%from: !tt.ptr<f32>, %to: !tt.ptr<f32>",
                      "    %i = tt.make_range {end = 256 : i32, start = 0 : i32} : tensor<256xi32>\n"
                      "    %f = tt.splat %from : !tt.ptr<f32> -> tensor<256x!tt.ptr<f32>>\n"
                      "    %t = tt.splat %to : !tt.ptr<f32> -> tensor<256x!tt.ptr<f32>>\n"
                      "    %a = tt.addptr %f, %i : tensor<256x!tt.ptr<f32>>, tensor<256xi32>\n"
                      "    %b = tt.addptr %t, %i : tensor<256x!tt.ptr<f32>>, tensor<256xi32>\n"
                      "    %x = tt.load %a : tensor<256x!tt.ptr<f32>>\n"
                      "    tt.store %b, %x : tensor<256x!tt.ptr<f32>>");
  const LoweredKernel copy = lower(*verified(text), target, {});
  EXPECT_GT(count(copy.text, "= load <16 x float>, ptr"), 0u);
  EXPECT_EQ(count(copy.text, "<8 x"), 0u);
}

TEST(Lowering, large_launches_store_past_the_caches) {
  Target target = target_of(16);
  EXPECT_EQ(count(lower(*verified(test::kernels().at("add")), target, {}).text, "!nontemporal"), 0u);
  target.cache_bytes = 1000 << 20;
  const std::string text = lower(*verified(test::kernels().at("add")), target, {}).text;
  EXPECT_EQ(count(text, "!nontemporal"), 4u);          // of four strips
  EXPECT_GT(count(text, ", 524288000"), 0u);           // bytes of the launch
  EXPECT_EQ(count(text, "@llvm.x86.sse.sfence"), 2u);  // declared, and at the end
  // The halves of a line are written as one.
  const std::string halves = lower(*verified(test::kernels().at("add_half")), target, {}).text;
  EXPECT_GT(count(halves, "store <32 x "), 0u);
  EXPECT_EQ(count(halves, "store <32 x "), count(halves, ", align 64, !nontemporal"));
}

// Of a kernel that fills a block at %p between the other operations.
size_t stores_past_the_caches(const std::string& before, const std::string& behind) {
  Target target = target_of(16);
  target.cache_bytes = 32 << 20;
  const std::string text =
      test::module_of("%p: !tt.ptr<f32>, %q: !tt.ptr<f32>, %lock: !tt.ptr<i32>",
                      before +
                          "    %i = tt.make_range {end = 256 : i32, start = 0 : i32} : tensor<256xi32>\n"
                          "    %s = tt.splat %p : !tt.ptr<f32> -> tensor<256x!tt.ptr<f32>>\n"
                          "    %a = tt.addptr %s, %i : tensor<256x!tt.ptr<f32>>, tensor<256xi32>\n"
                          "    %x = arith.constant dense<1.0> : tensor<256xf32>\n"
                          "    tt.store %a, %x : tensor<256x!tt.ptr<f32>>\n" +
                          behind);
  return count(lower(*verified(text), target, {}).text, "!nontemporal");
}

TEST(Lowering, what_the_kernel_reads_again_stays_in_the_caches) {
  auto read = [](const std::string& from) {
    return "    %n = arith.constant 7 : i32\n    %r = tt.addptr " + from +
           ", %n : !tt.ptr<f32>, i32\n    %y = tt.load %r : !tt.ptr<f32>";
  };
  EXPECT_GT(stores_past_the_caches("", read("%q")), 0u);
  EXPECT_EQ(stores_past_the_caches("", read("%p")), 0u);
}

TEST(Lowering, programs_that_wait_for_each_other_store_in_order) {
  EXPECT_GT(stores_past_the_caches("", ""), 0u);
  EXPECT_EQ(stores_past_the_caches("    %on = arith.constant true\n    %one = arith.constant 1 : i32\n"
                                   "    %old = tt.atomic_rmw add, acq_rel, gpu, %lock, %one, %on : "
                                   "(!tt.ptr<i32>, i32, i1) -> i32\n",
                                   ""),
            0u);
  EXPECT_EQ(stores_past_the_caches("    %seen = tt.load %lock {isVolatile = true} : !tt.ptr<i32>\n", ""), 0u);
}

TEST(Lowering, writes_the_same_wherever_the_module_lies_in_memory) {
  for (const auto& [name, text] : test::kernels()) {
    const auto here = verified(text);
    std::vector<std::unique_ptr<char[]>> holes;  // which the second module fills from the last one on
    for (size_t i = 0; i < 20'000; ++i) holes.push_back(std::make_unique<char[]>(40 + i * 37 % 400));
    for (size_t i = 0; i < holes.size(); i += 2) holes[i].reset();
    const auto there = verified(text);
    const LoweredKernel first = lower(*here, target_of(16), {});
    const LoweredKernel second = lower(*there, target_of(16), {});
    EXPECT_EQ(first.text, second.text) << name;
    EXPECT_EQ(first.report, second.report) << name;
  }
}

TEST(Lowering, says_what_it_cannot_lower_and_where) {
  const std::string text = test::module_of(
      "%a: f32", "    %0 = tt.extern_elementwise %a {symbol = \"__nv_unheard_of\", pure = true} : (f32) -> f32");
  try {
    lower(*verified(text), target_of(16), {});
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.status(), FL_UNSUPPORTED);
    EXPECT_STREQ(error.what(), "line 3, column 10: the library function '__nv_unheard_of' is not known");
  }
}

TEST(Strides, arguments_that_multiply_positions_are_found) {
  const auto module = verified(test::kernels().at("matmul_float"));
  // %arg6 and %arg7 stride the factors, %arg8 the result; the other strides were folded to one by Triton.
  EXPECT_EQ(stride_arguments(module->function), (1u << 6) | (1u << 7) | (1u << 8));
}

TEST(Product, the_dot_of_a_matrix_product_waits_for_its_loop) {
  const auto module = verified(test::kernels().at("matmul_float"));
  const Users users = find_users(module->function);
  const Schedule schedule = make_schedule(module->function);
  const ttir::Operation* dot = nullptr;
  for (const auto& [op, position] : schedule.position)
    if (op->op == ttir::Op::kDot) dot = op;
  ASSERT_NE(dot, nullptr);
  const ttir::Operation* loop = deferring_loop(*dot, users);
  ASSERT_NE(loop, nullptr);
  EXPECT_EQ(loop->op, ttir::Op::kFor);
  // Each factor is decided by one of the two program ids, as the first row and the first column of its block.
  for (size_t i = 0; i < 2; ++i) {
    const auto decide = deciders(dot->operands[i], loop, schedule);
    ASSERT_TRUE(decide.has_value());
    ASSERT_EQ(decide->size(), 1u);
    EXPECT_EQ((*decide)[0]->name, i == 0 ? "2" : "8");
  }
  EXPECT_TRUE(may_keep_factors(module->function, *loop, schedule));
  EXPECT_TRUE(masks_of_uses(dot->result(), users).has_value());
  EXPECT_EQ(only_store(*dot, loop, users), nullptr);  // the sum is rounded to half and widened again
}

TEST(Product, a_product_is_one_function) {
  const LoweredKernel kernel = lower(*verified(test::kernels().at("matmul_float")), target_of(16), {});
  EXPECT_EQ(count(kernel.text, "define internal void @fl.dot.fma"), 1u);
  // At the end of a chunk; and before, where a step does not go on in memory where the last one ended.
  EXPECT_EQ(count(kernel.text, "call void @fl.dot.fma"), 2u);
}

TEST(Product, a_loop_that_writes_keeps_its_loads_where_they_stand) {
  const auto matmul = verified(test::kernels().at("matmul_float"));
  const Schedule schedule = make_schedule(matmul->function);
  for (const auto& [op, position] : schedule.position) {
    if (op->op == ttir::Op::kFor) {
      EXPECT_TRUE(only_reads(*op));
    }
  }
  const auto storing = verified(test::module_of("%p: !tt.ptr<f32>, %n: i32",
                                                "    %c = arith.constant 0 : i32\n    %d = arith.constant 1 : i32\n"
                                                "    scf.for %i = %c to %n step %d : i32 {\n"
                                                "      %x = tt.load %p : !tt.ptr<f32>\n"
                                                "      tt.store %p, %x : !tt.ptr<f32>\n    }"));
  const Schedule of_storing = make_schedule(storing->function);
  int loops = 0;
  for (const auto& [op, position] : of_storing.position) {
    if (op->op != ttir::Op::kFor) continue;
    ++loops;
    EXPECT_FALSE(only_reads(*op));
  }
  EXPECT_EQ(loops, 1);
}

const ttir::Value* value_named(const Schedule& schedule, const std::string& name) {
  for (const auto& [op, position] : schedule.position)
    for (const ttir::Value* result : op->results)
      if (result->name == name) return result;
  return nullptr;
}

// Blocks of 64 columns x 8 rows, over whose rows the kernel loops.
TEST(Layout, strips_run_where_neighbours_are_neighbours_in_memory) {
  const auto module = verified(test::kernels().at("column_sum"));
  const Schedule schedule = make_schedule(module->function);
  const Layout layout(module->function, schedule, {});
  EXPECT_EQ(layout.fastest(value_named(schedule, "v_22")), 0u);    // the load
  EXPECT_EQ(layout.fastest(value_named(schedule, "best")), 0u);    // what the loop carries follows it
  EXPECT_EQ(layout.fastest(value_named(schedule, "v_17")), 0u);    // the columns' positions
  EXPECT_EQ(layout.fastest(value_named(schedule, "cst")), 1u);     // a constant belongs to nobody
  EXPECT_EQ(layout.fastest(value_named(schedule, "result")), 0u);  // has one dimension
  EXPECT_EQ(layout.fastest(value_named(schedule, "r_9")), 1u);     // 1 x 8
}

TEST(Layout, an_argument_that_is_fixed_to_one_is_a_step) {
  const std::string body =
      "    %r = tt.make_range {end = 64 : i32, start = 0 : i32} : tensor<64xi32>\n"
      "    %a = tt.expand_dims %r {axis = 1 : i32} : tensor<64xi32> -> tensor<64x1xi32>\n"
      "    %s = tt.splat %stride : i32 -> tensor<64x1xi32>\n"
      "    %b = arith.muli %a, %s : tensor<64x1xi32>\n"
      "    %c = tt.broadcast %b : tensor<64x1xi32> -> tensor<64x64xi32>\n"
      "    %q = tt.splat %p : !tt.ptr<f32> -> tensor<64x64x!tt.ptr<f32>>\n"
      "    %d = tt.addptr %q, %c : tensor<64x64x!tt.ptr<f32>>, tensor<64x64xi32>\n"
      "    %x = tt.load %d : tensor<64x64x!tt.ptr<f32>>\n";
  const auto module = verified(test::module_of("%p: !tt.ptr<f32>, %stride: i32", body));
  const Schedule schedule = make_schedule(module->function);
  const ttir::Value* loaded = value_named(schedule, "x");
  EXPECT_EQ(Layout(module->function, schedule, {}).fastest(loaded), 1u);
  EXPECT_EQ(Layout(module->function, schedule, {{1, 1}}).fastest(loaded), 0u);
}

TEST(Lowering, a_sum_over_the_first_axis_neither_gathers_nor_scatters) {
  const LoweredKernel kernel = lower(*verified(test::kernels().at("column_sum")), target_of(16), {});
  EXPECT_EQ(count(kernel.text, "gather"), 0u);
  EXPECT_EQ(count(kernel.text, "scatter"), 0u);
  EXPECT_EQ(count(kernel.text, "call void @llvm.prefetch"), 4u);  // four strips of the rows to come
}

TEST(Lowering, the_row_to_come_is_asked_for_by_one_of_two_nests_that_have_the_time) {
  const std::string body =
      "    %pid = tt.get_program_id x : i32\n"
      "    %first = arith.muli %pid, %n : i32\n"
      "    %row = tt.addptr %p, %first : !tt.ptr<f32>, i32\n"
      "    %r = tt.make_range {end = 1024 : i32, start = 0 : i32} : tensor<1024xi32>\n"
      "    %q = tt.splat %row : !tt.ptr<f32> -> tensor<1024x!tt.ptr<f32>>\n"
      "    %d = tt.addptr %q, %r : tensor<1024x!tt.ptr<f32>>, tensor<1024xi32>\n"
      "    %x = tt.load %d : tensor<1024x!tt.ptr<f32>>\n"
      "    %e = math.exp %x : tensor<1024xf32>\n"
      "    %sum = \"tt.reduce\"(%e) <{axis = 0 : i32}> ({\n"
      "    ^bb0(%a: f32, %b: f32):\n"
      "      %c = arith.addf %a, %b : f32\n"
      "      tt.reduce.return %c : f32\n"
      "    }) : (tensor<1024xf32>) -> f32\n"
      "    %again = tt.load %d : tensor<1024x!tt.ptr<f32>>\n"
      "    %f = math.exp %again : tensor<1024xf32>\n"
      "    %all = tt.splat %sum : f32 -> tensor<1024xf32>\n"
      "    %g = arith.subf %f, %all : tensor<1024xf32>\n"
      "    tt.store %d, %g : tensor<1024x!tt.ptr<f32>>\n";
  const LoweredKernel kernel = lower(*verified(test::module_of("%p: !tt.ptr<f32>, %n: i32", body)), target_of(16), {});
  EXPECT_EQ(count(kernel.text, "call void @llvm.prefetch"), 4u);  // strips at a time of the sum's nest
}

TEST(Interleaved, lines_take_turns_but_stay_behind_what_they_need) {
  const std::string a = "  %1 = load float, ptr %p\n  %2 = fadd float %1, %1\n";
  const std::string b = "  %3 = load float, ptr %q\n  %4 = fmul float %3, %2\n  %5 = fmul float %4, %4\n";
  EXPECT_EQ(interleaved({a, b}),
            "  %1 = load float, ptr %p\n  %3 = load float, ptr %q\n  %2 = fadd float %1, %1\n"
            "  %4 = fmul float %3, %2\n  %5 = fmul float %4, %4\n");
  const std::string early = "  %6 = fneg float %2\n";  // needs the last line of the first part
  EXPECT_EQ(interleaved({a, early}), a + early);
}

TEST(Interleaved, code_of_several_blocks_stays_as_it_is) {
  const std::string a = "  %1 = fneg float %0\n  br label %l\nl:\n";
  const std::string b = "  %2 = fneg float %0\n";
  EXPECT_EQ(interleaved({a, b}), a + b);
}

// A sort has blocks of 2 x 2 x ... x 2; see Note [Flat loops].
TEST(Lowering, many_small_dimensions_are_one_loop) {
  const LoweredKernel kernel = lower(*verified(test::kernels().at("sortk")), target_of(16), {});
  const size_t nests = count(kernel.report, "\nnest ");
  EXPECT_GT(nests, 10u);
  EXPECT_LE(count(kernel.text, "= phi i64"), 2 * nests + 1);  // the loop over programs too
}

TEST(Lowering, a_maximum_of_numbers_is_one_instruction_and_looks_again_where_it_found_none) {
  const LoweredKernel kernel = lower(*verified(test::kernels().at("softmax")), target_of(16), {});
  EXPECT_GT(count(kernel.text, "fcmp ogt <8 x float>"), 0u);
  EXPECT_EQ(count(kernel.text, "fcmp oeq float"), 1u);
  EXPECT_GT(count(kernel.text, "@llvm.maxnum"), 0u);
}

TEST(Lowering, a_quotient_by_a_sum_divides_once_a_row) {
  const LoweredKernel kernel = lower(*verified(test::kernels().at("softmax")), target_of(16), {});
  EXPECT_EQ(count(kernel.text, "fdiv <16 x float>"), 0u);
  EXPECT_EQ(count(kernel.text, "= fdiv float"), 1u);
}

TEST(Schedule, a_load_that_a_store_may_change_is_kept) {
  const auto module = verified(
      test::module_of("%p: !tt.ptr<f32>, %q: !tt.ptr<f32>",
                      "    %r = tt.make_range {end = 64 : i32, start = 0 : i32} : tensor<64xi32>\n"
                      "    %0 = tt.splat %p : !tt.ptr<f32> -> tensor<64x!tt.ptr<f32>>\n    %1 = tt.addptr %0, %r : "
                      "tensor<64x!tt.ptr<f32>>, tensor<64xi32>\n"
                      "    %2 = tt.splat %q : !tt.ptr<f32> -> tensor<64x!tt.ptr<f32>>\n    %3 = tt.addptr %2, %r : "
                      "tensor<64x!tt.ptr<f32>>, tensor<64xi32>\n"
                      "    %x = tt.load %1 : tensor<64x!tt.ptr<f32>>\n    tt.store %3, %x : tensor<64x!tt.ptr<f32>>\n"
                      "    gpu.barrier\n    tt.store %1, %x : tensor<64x!tt.ptr<f32>>"));
  const Schedule schedule = make_schedule(module->function);
  EXPECT_EQ(schedule.stored.size(), 1u);
  EXPECT_EQ((*schedule.stored.begin())->name, "x");
}

TEST(Schedule, the_exponential_of_a_softmax_is_computed_once) {
  const auto module = verified(test::kernels().at("softmax"));
  const Schedule schedule = make_schedule(module->function);
  ASSERT_EQ(schedule.stored.size(), 1u);
  EXPECT_EQ((*schedule.stored.begin())->producer->op, ttir::Op::kExp);
}

TEST(Schedule, pointers_that_advance_in_a_loop_are_one_number) {
  const auto module = verified(test::kernels().at("matmul"));
  EXPECT_EQ(make_schedule(module->function).inductions.size(),
            4u);  // two blocks of pointers, as argument and as result
}

// A block of 16 that axis y places, at `scale` times its positions.
std::string along_y(int scale) {
  return test::module_of("%x: !tt.ptr<f32>",
                         "    %py = tt.get_program_id y : i32\n"
                         "    %c = arith.constant 16 : i32\n"
                         "    %o = arith.muli %py, %c : i32\n"
                         "    %r = tt.make_range {end = 16 : i32, start = 0 : i32} : tensor<16xi32>\n"
                         "    %s = tt.splat %o : i32 -> tensor<16xi32>\n"
                         "    %i = arith.addi %s, %r : tensor<16xi32>\n"
                         "    %k = arith.constant dense<" +
                             std::to_string(scale) +
                             "> : tensor<16xi32>\n"
                             "    %j = arith.muli %i, %k : tensor<16xi32>\n"
                             "    %p = tt.splat %x : !tt.ptr<f32> -> tensor<16x!tt.ptr<f32>>\n"
                             "    %q = tt.addptr %p, %j : tensor<16x!tt.ptr<f32>>, tensor<16xi32>\n"
                             "    %z = arith.constant dense<0.000000e+00> : tensor<16xf32>\n"
                             "    tt.store %q, %z : tensor<16x!tt.ptr<f32>>");
}

TEST(ProgramOrder, the_axis_that_writes_neighbours_is_counted_first) {
  const auto unknown = [](const ttir::Value*) { return false; };
  EXPECT_EQ(fastest_axis(verified(along_y(1))->function, unknown), 1u);
  EXPECT_EQ(fastest_axis(verified(along_y(2))->function, unknown), 0u);
  EXPECT_EQ(fastest_axis(verified(test::kernels().at("add"))->function, unknown), 0u);
  const LoweredKernel kernel = lower(*verified(along_y(1)), target_of(16), {});
  EXPECT_EQ(count(kernel.text, "%first.y = urem i64 %first, %grid.wide.1"), 1u);
}

// out[r, c] = x[r, c] + `added` for tiles of 32 x 64 that axes x and y place.
std::string tiles(const std::string& added) {
  return test::module_of("%x: !tt.ptr<f32>, %out: !tt.ptr<f32>, %n: i32",
                         "    %px = tt.get_program_id x : i32\n"
                         "    %py = tt.get_program_id y : i32\n"
                         "    %c32 = arith.constant 32 : i32\n"
                         "    %c64 = arith.constant 64 : i32\n"
                         "    %r0 = arith.muli %px, %c32 : i32\n"
                         "    %c0 = arith.muli %py, %c64 : i32\n"
                         "    %rr = tt.make_range {end = 32 : i32, start = 0 : i32} : tensor<32xi32>\n"
                         "    %cr = tt.make_range {end = 64 : i32, start = 0 : i32} : tensor<64xi32>\n"
                         "    %rs = tt.splat %r0 : i32 -> tensor<32xi32>\n"
                         "    %cs = tt.splat %c0 : i32 -> tensor<64xi32>\n"
                         "    %r = arith.addi %rs, %rr : tensor<32xi32>\n"
                         "    %c = arith.addi %cs, %cr : tensor<64xi32>\n"
                         "    %re = tt.expand_dims %r {axis = 1 : i32} : tensor<32xi32> -> tensor<32x1xi32>\n"
                         "    %ce = tt.expand_dims %c {axis = 0 : i32} : tensor<64xi32> -> tensor<1x64xi32>\n"
                         "    %ns = tt.splat %n : i32 -> tensor<32x1xi32>\n"
                         "    %rn = arith.muli %re, %ns : tensor<32x1xi32>\n"
                         "    %rb = tt.broadcast %rn : tensor<32x1xi32> -> tensor<32x64xi32>\n"
                         "    %cb = tt.broadcast %ce : tensor<1x64xi32> -> tensor<32x64xi32>\n"
                         "    %i = arith.addi %rb, %cb : tensor<32x64xi32>\n"
                         "    %xs = tt.splat %x : !tt.ptr<f32> -> tensor<32x64x!tt.ptr<f32>>\n"
                         "    %xp = tt.addptr %xs, %i : tensor<32x64x!tt.ptr<f32>>, tensor<32x64xi32>\n"
                         "    %a = tt.load %xp : tensor<32x64x!tt.ptr<f32>>\n" +
                             added +
                             "    %as = tt.splat %added : f32 -> tensor<32x64xf32>\n"
                             "    %b = arith.addf %a, %as : tensor<32x64xf32>\n"
                             "    %os = tt.splat %out : !tt.ptr<f32> -> tensor<32x64x!tt.ptr<f32>>\n"
                             "    %op = tt.addptr %os, %i : tensor<32x64x!tt.ptr<f32>>, tensor<32x64xi32>\n"
                             "    tt.store %op, %b : tensor<32x64x!tt.ptr<f32>>");
}

TEST(ProgramGroups, tiles_grow_along_the_dimension_that_an_axis_places) {
  const auto module = verified(tiles("    %added = arith.constant 1.000000e+00 : f32\n"));
  for (const size_t axis : {0, 1}) {
    const auto groups = find_program_groups(module->function, axis);
    ASSERT_TRUE(groups.has_value());
    EXPECT_EQ(groups->extent, axis == 0 ? 32 : 64);
    size_t grown = 0;
    for (const auto& [value, dimension] : groups->dimension) {
      if (value->type.shape.size() == 2) {
        EXPECT_EQ(dimension, axis);
      }
      grown += value->name == "a" || value->name == "xp" ? 1 : 0;
      EXPECT_FALSE(value->name == (axis == 0 ? "ce" : "re")) << "the same in all programs of a group";
    }
    EXPECT_EQ(grown, 2u);
  }
  EXPECT_FALSE(find_program_groups(module->function, 2).has_value());
  const LoweredKernel kernel = lower(*module, target_of(16), {});
  EXPECT_EQ(count(kernel.text, "%positions = mul i64 %programs, 64"), 1u);
}

TEST(ProgramGroups, there_are_none_where_the_id_counts_in_another_way) {
  const auto module = verified(tiles("    %added = arith.sitofp %py : i32 to f32\n"));
  EXPECT_FALSE(find_program_groups(module->function, 1).has_value());
  EXPECT_TRUE(find_program_groups(module->function, 0).has_value());
  EXPECT_EQ(count(lower(*module, target_of(16), {}).text, "%programs"), 0u);
  EXPECT_FALSE(find_program_groups(verified(test::kernels().at("softmax"))->function, 0).has_value());
  EXPECT_FALSE(find_program_groups(verified(test::kernels().at("matmul"))->function, 0).has_value());
}

// while (*lock == busy) {}
std::string wait_on(const std::string& attribute) {
  return test::module_of("%lock: !tt.ptr<i32>, %busy: i32",
                         "    %zero = arith.constant 0 : i32\n"
                         "    %last = scf.while (%seen = %zero) : (i32) -> i32 {\n"
                         "      %again = arith.cmpi eq, %seen, %busy : i32\n"
                         "      scf.condition(%again) %seen : i32\n"
                         "    } do {\n"
                         "    ^bb0(%before: i32):\n"
                         "      %now = tt.load %lock" +
                             attribute +
                             " : !tt.ptr<i32>\n"
                             "      scf.yield %now : i32\n"
                             "    }\n"
                             "    tt.store %lock, %last : !tt.ptr<i32>");
}

TEST(Lowering, a_loop_that_waits_for_another_program_gives_its_cpu_away) {
  EXPECT_EQ(count(lower(*verified(wait_on(" {isVolatile = true}")), target_of(16), {}).text, "call i32 @sched_yield"),
            1u);
  EXPECT_EQ(count(lower(*verified(wait_on("")), target_of(16), {}).text, "@sched_yield"), 0u);
}

// x[i % 100] + x[i / 100] over 256 positions
TEST(Lowering, flat_positions_that_are_divided_are_read_in_runs) {
  const std::string text =
      test::module_of("%x: !tt.ptr<f32>, %out: !tt.ptr<f32>",
                      "    %i = tt.make_range {end = 256 : i32, start = 0 : i32} : tensor<256xi32>\n"
                      "    %n = arith.constant dense<100> : tensor<256xi32>\n"
                      "    %r = arith.remsi %i, %n : tensor<256xi32>\n"
                      "    %d = arith.divsi %i, %n : tensor<256xi32>\n"
                      "    %p = tt.splat %x : !tt.ptr<f32> -> tensor<256x!tt.ptr<f32>>\n"
                      "    %pr = tt.addptr %p, %r : tensor<256x!tt.ptr<f32>>, tensor<256xi32>\n"
                      "    %pd = tt.addptr %p, %d : tensor<256x!tt.ptr<f32>>, tensor<256xi32>\n"
                      "    %a = tt.load %pr : tensor<256x!tt.ptr<f32>>\n"
                      "    %b = tt.load %pd : tensor<256x!tt.ptr<f32>>\n"
                      "    %c = arith.addf %a, %b : tensor<256xf32>\n"
                      "    %q = tt.splat %out : !tt.ptr<f32> -> tensor<256x!tt.ptr<f32>>\n"
                      "    %o = tt.addptr %q, %i : tensor<256x!tt.ptr<f32>>, tensor<256xi32>\n"
                      "    tt.store %o, %c : tensor<256x!tt.ptr<f32>>");
  const LoweredKernel kernel = lower(*verified(text), target_of(16), {});
  EXPECT_EQ(count(kernel.text, "@llvm.masked.gather"), 0u);
  EXPECT_GE(count(kernel.text, "urem i64"), 1u);
}

}  // namespace
}  // namespace fl::compiler
