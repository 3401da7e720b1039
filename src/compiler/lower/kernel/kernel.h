// A kernel: tile IR to one LLVM function of the type fl_host_kernel (hal.h). It walks the operations in their order,
// writes scalars as they come, asks for a loop nest where the schedule has a site, and lets blocks of control flow
// carry stored blocks in the arena. The loop over program ids is in the same function.
#ifndef FLAGOS_COMPILER_LOWER_KERNEL_KERNEL_H_
#define FLAGOS_COMPILER_LOWER_KERNEL_KERNEL_H_

#include <array>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "compiler/analysis/layout.h"
#include "compiler/analysis/product.h"
#include "compiler/lower/dot/product.h"
#include "compiler/lower/nest/nest.h"

namespace fl::compiler {

struct LoweredKernel {
  std::string text;      // a whole LLVM module
  int64_t scratch = 0;   // bytes of arena that each thread needs
  bool ordered = false;  // programs may wait for lower ones
  std::string report;    // for people: see report.h
};

// `constants`: arguments, by number, whose value is fixed to an integer. Throws an Error of FL_UNSUPPORTED,
// "line L, column C: ...", for what cannot be lowered. The module has been verified.
LoweredKernel lower(const ttir::Module& module, const Target& target, const std::map<size_t, int64_t>& constants);

class Kernel {
 public:
  // `groups`: whether programs that stand side by side may run as one, where the kernel allows it.
  Kernel(const ttir::Function& function, const Target& target, const std::map<size_t, int64_t>& constants, bool groups);
  LoweredKernel run();
  // Of a kernel that has run: whether it is better without groups of programs, since they move blocks through scratch
  // or do not make its strips longer.
  bool spoiled_by_groups() const { return shared_.groups && groups_spoiled_; }

 private:
  using Op = ttir::Op;
  using Operation = ttir::Operation;
  using Value = ttir::Value;

  // kernel.cc
  void prologue();
  void find_groups();
  void begin_group();
  std::string program_loop();
  void block(const ttir::Block& block);
  void operation(const Operation& op);
  void dispatch(const Operation& op);
  void scalar(const Operation& op);
  void scalar_load(const Operation& op);
  void scalar_store(const Operation& op);
  std::string scalar_pointer(const Value* value);
  const std::string& text(const Value* value) const { return shared_.scalars.at(value); }

  // kernel/nests.cc: nests and the arena
  int64_t allocate(const Type& type, int until);
  int64_t allocate(const Value* block, int until);
  int64_t allocate_bytes(int64_t size, int until);
  // Memory that keeps its content from one program to the next, for arena_pointer() alone.
  int64_t allocate_kept(int64_t size);
  void expire(int position);
  int64_t allocate_block(const Value* block, int until);  // laid out as Layout says
  int64_t slot_of_result(const Value* value);
  void emit(std::vector<Sink> sinks);
  void emit_exact(const std::vector<Sink>& sinks);
  void cut();
  void write_nest(Nest& nest, const std::function<void()>& otherwise);
  void store_first(const std::vector<const Value*>& loads, std::vector<const Value*>* stored, bool exact);
  std::vector<const Value*> loads_of(const std::vector<Sink>& sinks) const;
  void store_block(const Value* value);
  void find_extremes(const Value* block, int64_t slot);
  void store_turned(const Value* block, size_t across, size_t along, int64_t slot);
  void reduce(const Operation& op);
  void scan(const Operation& op);
  void atomic(const Operation& op);
  void histogram(const Operation& op);
  void describe(const std::vector<Sink>& sinks, const Nest& nest);
  void begin_report(const std::string& title, const std::vector<int64_t>& shape, const std::vector<const Value*>& roots,
                    int lanes);
  // Loops over the dimensions in their order, but for `fastest`, which is innermost.
  static std::vector<size_t> natural_order(const std::vector<int64_t>& shape, size_t fastest);
  static const Value* block_of(const Sink& sink);
  static const Value* where_of(const Sink& sink);  // a block of that shape that grows with a group of programs
  void keep_to_group(Nest* nest, const std::vector<Sink>& sinks);
  size_t strips_of(const Sink& sink) const;         // the dimension that they run along
  size_t contiguous_along(const Sink& sink) const;  // the dimension whose neighbours are neighbours in the slot
  void make_loops(Nest* nest, const Sink& sink, bool one_by_one = false);
  static void loops_over(Nest* nest, const std::vector<int64_t>& shape);  // row-major

  // kernel/dot.cc
  void dot(const Operation& op);
  void plain_dot(const Operation& op);
  std::optional<int64_t> carried_sum(const Operation& op) const;
  int64_t place_of_sum(const Operation& op, bool* from_zero);

  // kernel/product.cc
  std::unique_ptr<Product> begin_product(const Operation& dot, const Operation* loop);
  void find_live_part(Product* product);
  void start_sum(Product* product, const Value* start, int64_t slot);
  static bool is_zero(const Value* block);
  void put_off(Product* product);
  void multiply_now(Product* product);
  void multiply(const Product& product, const Waiting& waiting, const std::string& groups, const std::string& last);
  void multiply_tiles(const Product& product, const Waiting& waiting, const std::string& groups,
                      const std::string& fresh, const std::string& last);
  Waiting load_waiting(const Product& product);
  void note_waiting(const Product& product, std::string Waiting::*number, const std::string& value);
  void begin_offsets(Product* product, int until);
  void write_offsets(const Product& product, const std::string& right, const Waiting& waiting,
                     const std::string& groups, const std::string& offset);
  std::string pointer_to(const std::string& address);
  std::string place_in_buffer(const PackedFactor& factor, const std::string& chunk, const std::string& step);
  std::string live_groups(const Product& product);
  bool may_store(const DotPlan& plan, const Operation& store) const;
  // kernel/pack.cc
  void lay_out(Product* product);
  void pack_unless_kept(const Product& product, PackedFactor* factor, const std::string& in_place,
                        const std::string& step, const std::string& chunk);
  void pack(const Product& product, PackedFactor* factor, const std::string& to);
  // kernel/in_place.cc
  void may_read_in_place(Product* product) const;
  static bool is_plain_load(const Value* block);
  std::optional<InPlace> lies_in_place(const Product& product, const PackedFactor& factor);
  std::optional<InPlace> lies_in_place(const Value* block, size_t along, const std::string& live);
  std::string apart_from_output(const Product& product, const InPlace& rows);
  std::string is_worth_it(const Product& product, const InPlace& rows);
  Reading where_to_read(Product* product, const std::string& waiting);
  void go_on_reading(const Product& product, const Reading& here, Waiting* waiting);
  // kernel/matrix_vector.cc
  std::string begin_matrix_vector(const Operation& op, const std::vector<int64_t>& slots);
  std::optional<InPlace> vector_in_place(const Value* block);
  // kernel/kept.cc
  void find_kept(const Product& product, PackedFactor* factor, const std::string& fits);

  bool compute_scalars(const Value* value);
  std::string wide(const Value* scalar);  // as an i64, one for each value
  std::string arena_pointer(int64_t offset) { return arena_pointer(offset, *out_); }
  std::string arena_pointer(int64_t offset, Stream& out);
  std::string load_i64(const std::string& pointer);

  // kernel/debug.cc
  void print(const Operation& op);
  void assertion(const Operation& op);
  std::string holds_in_runs(const Value* condition);
  void check_elements(const Operation& op);
  std::string in_memory(const Value* value);
  std::string text_constant(const std::string& text);

  // kernel/control.cc
  static bool waits(const Operation& op);
  std::string times(const std::string& number, const Operation& loop);
  void for_loop(const Operation& op);
  void conditional(const Operation& op);
  void while_loop(const Operation& op);
  void write_carried(const Operation& yield, const std::vector<const Value*>& values,
                     const std::vector<int64_t>& slots);
  void reads(const Value* value, bool in_place, std::map<int64_t, bool>* slots) const;
  void into(Stream& stream, const std::function<void()>& write);

  const ttir::Function& function_;
  const Target& target_;
  const std::map<size_t, int64_t>& constants_;
  LlvmModule module_;
  Schedule schedule_;
  Layout layout_;
  Users users_;
  std::map<const Operation*, std::unique_ptr<Product>> products_;  // that wait for the end of a chunk, by their dots
  std::map<const Operation*, std::string> direct_stores_;          // that a product has done where the i1 is true
  Surroundings shared_;
  Stream entry_;
  Stream* out_ = nullptr;
  std::map<const ttir::Block*, std::string> labels_;
  struct Allocation {
    int64_t offset;
    int64_t size;
    int until;
  };
  std::vector<Allocation> live_slots_;
  int64_t arena_ = 0;
  int64_t kept_ = 0;  // bytes behind the arena
  int position_ = 0;
  bool ordered_ = false;
  bool groups_allowed_;
  bool groups_spoiled_ = false;
  std::array<size_t, 3> axes_ = {0, 1, 2};  // of the grid, the one that is counted first in front
};

}  // namespace fl::compiler

#endif  // FLAGOS_COMPILER_LOWER_KERNEL_KERNEL_H_
