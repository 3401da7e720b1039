// One loop nest over the index space of a block: its loops, the strip that the innermost work is done in, and the value
// of any block at the strip's position.
//
// A nest is written in one of two modes. kFast assumes what can be checked once before the nest: that index arithmetic
// does not wrap, that loads and stores do not overlap except element on element. The assumptions are collected in
// `guards()`; whoever uses the nest writes the kExact version behind them, in which only what needs no assumption is
// treated as affine and all loads have been done before the nest.
//
// Code is placed in the outermost loop in which all that it depends on is known: `streams` has one stream a level, 0
// before the nest, l+1 inside loop l. A strip is `lanes` consecutive positions along the dimension of the vector loop;
// `copy` counts the strips of one iteration.
#ifndef FLAGOS_COMPILER_LOWER_NEST_NEST_H_
#define FLAGOS_COMPILER_LOWER_NEST_NEST_H_

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "compiler/analysis/program_groups.h"
#include "compiler/analysis/schedule.h"
#include "compiler/lower/instructions/elementwise.h"
#include "compiler/lower/report.h"
#include "compiler/lower/text/counted_loop.h"
#include "compiler/lower/text/llvm_text.h"

namespace fl::compiler {

// The least and the greatest element of a block of integers or addresses, i64.
struct Extremes {
  std::string low;
  std::string high;
};

// What is known outside of nests, shared by all of a kernel.
struct Surroundings {
  LlvmModule& module;
  const Target& target;
  const Schedule& schedule;
  Elementwise ops;
  std::unordered_map<const ttir::Value*, std::string> scalars = {};  // a scalar's LLVM operand
  std::unordered_map<const ttir::Value*, int64_t> slots = {};        // a stored block's offset in the arena, in bytes
  // By offset: the dimension that is innermost there, if not the last.
  std::unordered_map<int64_t, size_t> fastest = {};
  // Of Schedule::inductions; i64, in bytes or elements.
  std::unordered_map<const ttir::Value*, std::string> induction_total = {};
  std::unordered_map<const ttir::Value*, Extremes> extremes = {};  // of blocks that have been looked through
  int loops = 0;                                                   // of the kernel's own that are open
  // Bases whose next row prefetch_next has asked for, and the entry() of the nest that did.
  std::unordered_map<const ttir::Value*, std::string> fetched = {};
  std::optional<ProgramGroups> groups = {};  // of programs that run as one
  int64_t group = 1;                         // how many at most
  std::string group_positions = {};          // i64: of those that run now, all together
  int64_t past_bytes = 0;      // a launch that writes as much writes past the caches, Note [Past the caches]; 0: none
  std::string nest_runs = {};  // i64: how often a nest that stands here runs in the launch, about
  bool writes_past = false;    // some store may
  std::unordered_set<const ttir::Value*> read_from = {};  // pointer_of() each load of the kernel
  std::unordered_map<const ttir::Value*, size_t> numbers = {};
  Report report = {};

  // The same in every run, as an address is not: what is sorted by it is written in the same order.
  size_t number_of(const ttir::Value* value) { return numbers.try_emplace(value, numbers.size()).first->second; }

  // The positions that a nest goes over: more than the block's own where programs run in groups.
  std::vector<int64_t> shape_of(const ttir::Value* block) const {
    std::vector<int64_t> shape = block->type.shape;
    if (groups)
      if (auto grown = groups->dimension.find(block); grown != groups->dimension.end()) shape[grown->second] *= group;
    return shape;
  }
};

// The argument that addresses are counted from, or what else is as far back as can be seen.
const ttir::Value* pointer_of(const Schedule& schedule, const ttir::Value* address);

// An i64 that is the same during the whole nest.
struct Term {
  bool known = true;
  int64_t value = 0;
  std::string name;
  bool is(int64_t number) const { return known && value == number; }
  std::string text() const { return known ? std::to_string(value) : name; }
};

// base + sum of coefficient[l] * (position in loop l) + sum of computed[p] * (computed position p), modulo 2^bits of
// the value's type. See Note [Computed positions] in nest/runs.cc.
struct Form {
  Term base;
  std::vector<Term> coefficients;
  std::map<size_t, Term> computed = {};  // none is zero
  bool uniform() const;                  // the same during the whole nest
};

// A position along one dimension of a block: constant + sum of coefficients * loop positions; or a computed i32.
struct Index {
  int64_t constant = 0;
  std::vector<int64_t> coefficients;
  std::string opaque;  // then the others do not count
  int width = 1;
  int level = 0;
  bool operator==(const Index&) const = default;
};
using Coordinates = std::vector<Index>;

struct Piece {
  std::string text;
  int width = 1;  // 1: the same in each lane
  int level = 0;
};

struct Loop {
  int64_t extent;
  bool vector = false;
  std::string position;    // i64: of the first lane, where vector
  std::string limit = "";  // i64: iterations at run time, where fewer than the extent; not of the vector loop
  bool runs = false;       // of find_runs: nothing has a position in it
};

// Where a block goes in the arena when it is not row-major: `base` an i64 address, a stride in bytes for each loop.
struct Place {
  std::string base;
  std::vector<int64_t> strides;
};

// What a nest does with a block at each position.
struct Sink {
  const ttir::Operation* store = nullptr;  // tt.store, or
  const ttir::Value* value = nullptr;      // a block and the offset of the arena it goes to, or
  int64_t slot = 0;
  const ttir::Operation* atomic = nullptr;  // tt.atomic_*, whose results go to `slot` unless that is negative
  std::optional<Scalar> as = std::nullopt;  // a block of floats or integers is widened to this in the arena
  const Place* place = nullptr;             // instead of `slot`

  const std::vector<ttir::Value*>& operands() const { return store != nullptr ? store->operands : atomic->operands; }
  bool touches_memory() const { return store != nullptr || atomic != nullptr; }
};

// The loops over a block for work along one axis of it, which is always innermost. Where the axis is the fastest
// dimension, strips run along it (rows); else along that dimension, over neighbours (columns).
struct AxisLoops {
  std::vector<size_t> order;
  size_t vector_dimension;
  bool rows;
};
AxisLoops loops_along(const std::vector<int64_t>& shape, size_t axis, size_t fastest);

class Nest {
 public:
  enum class Mode { kFast, kExact };
  Nest(Surroundings& shared, Mode mode) : shared_(shared), ops_(shared.ops), module_(shared.module), mode_(mode) {}

  // ---- Shape of the nest, fixed first. One loop a dimension of `shape` longer than one, in the order of `order`.
  // `runs`: with a loop round the vector loop for find_runs().
  void make_loops(const std::vector<int64_t>& shape, const std::vector<size_t>& order, size_t vector_dimension,
                  bool one_by_one = false, bool runs = false);
  // Loops of one's own, with strips of `lanes`: `at` is a block's position in terms of them.
  void set_loops(std::vector<Loop> loops, size_t vector_loop, Coordinates at, int lanes);
  // Only positions below `limit` (i64, up to the extent) along the dimension are done. `whole`: strips either end there
  // or have masks of their own.
  void restrict(size_t dimension, const std::string& limit, bool whole = false);
  // A remainder whose operands are affine is taken to be its left operand; that this is so is among the guards. For
  // kernels whose last block wraps round to the first rows, so that loads need no mask.
  void assume_small_remainders() { small_remainders_ = true; }
  // Where the sinks do little but move memory, strips become as narrow as the target likes to move it: Note [Streams].
  void narrow_streams(const std::vector<Sink>& sinks);
  Coordinates coordinates() const { return coordinates_; }  // of a block of that shape
  int lanes() const { return lanes_; }
  const std::vector<Loop>& loops() const { return loops_; }

  // Whether the sinks divide positions along the strips by a constant, so that the vector loop is best cut into runs of
  // one quotient. Of a nest with a loop for runs it cuts them.
  bool find_runs(const std::vector<Sink>& sinks);

  // Whether a block of bits is true everywhere: an i1 in before(). Of blocks, in a nest with runs, that are the same
  // along each of them; it is false, too, where a guard does not hold.
  std::optional<std::string> holds_in_runs(const ttir::Value* condition);

  // The dimension along which the sinks write neighbours to neighbours, where one can be told.
  std::optional<size_t> stored_along(const std::vector<Sink>& sinks);
  // Blocks that the sinks rest on whose loads run across the strips; `dimension` is the one that they run along.
  std::vector<const ttir::Value*> find_turned(const std::vector<Sink>& sinks, size_t* dimension);

  // ---- Assumptions. `check_overlap` returns the loads that must be done before the nest even in fast mode.
  std::vector<const ttir::Value*> check_overlap(const std::vector<Sink>& sinks);
  // Of loads that check_overlap has returned: the small blocks that name where their rows lie. Where the extremes of
  // all of these are known, it is known too what the loads may touch.
  std::vector<const ttir::Value*> find_row_names(const std::vector<const ttir::Value*>& loads);
  // How many leading positions along each dimension the masks let through, i64 in before(); "" where they say nothing.
  // `exactly`: whether the masks are true everywhere below the counts.
  std::vector<std::string> live_counts(const std::vector<const ttir::Value*>& masks, bool* exactly);
  // A block of addresses as base + sum of stride * position in each loop, all i64 in before(), under guards().
  struct Strided {
    std::string base;
    std::vector<Term> strides;
  };
  std::optional<Strided> strided(const ttir::Value* addresses);
  // The dimension along which neighbours of the block are neighbours in memory, by its first load.
  std::optional<size_t> unit_dimension(const ttir::Value* block);
  const std::vector<std::string>& guards() const { return guards_; }
  Stream& before() { return before_; }  // level 0; may be written to until the nest is closed

  // ---- Complete nests. What they need comes into before(), the loops into body(), whose first block is entry().
  void map(const std::vector<Sink>& sinks);
  // A block into the arena, contiguous along the last loop but one, while strips run along the last.
  void map_turned(const ttir::Value* block, int64_t slot);
  // Results are scalars, or go to `slots` as blocks without the axis.
  // `fastest`: the dimension of the operands that strips run along if they can.
  std::vector<std::string> reduce(const ttir::Operation& op, const std::vector<int64_t>& slots, size_t fastest);
  void scan(const ttir::Operation& op, const std::vector<int64_t>& slots, size_t fastest);
  const std::string& entry() const { return entry_; }
  const Stream& body() const { return body_; }
  bool unknown_store() const { return unknown_store_; }  // after check_overlap: a store's addresses are not affine

 private:
  // nest/affine.cc
  std::optional<Form> affine(const ttir::Value* value, const Coordinates& at);
  std::optional<Form> affine_uncached(const ttir::Value* value, const Coordinates& at);
  std::optional<Form> without_wrap(std::optional<Form> form, int bits, bool is_signed);
  Form constant_form(int64_t value) const;
  Form sum(const Form& a, const Form& b, bool plus);
  Term add(const Term& a, const Term& b);
  Term subtract(const Term& a, const Term& b);
  Term multiply(const Term& a, const Term& b);
  Term term_operation(const char* instruction, const Term& a, const Term& b);
  void guard(const std::string& predicate, const Term& a, const Term& b);
  std::pair<Term, Term> range(const Form& form, const Term* inner_extent = nullptr);
  Term extent_of(size_t loop);
  struct Access {
    const ttir::Value* value;
    Form address;
    int64_t size;
  };
  void find_loads(const ttir::Value* value, const Coordinates& at, std::vector<const ttir::Value*>* affine_less,
                  std::vector<Access>* loads);
  void guard_apart(const Access& a, const Access& b);

  // nest/runs.cc
  using MaskAt = std::pair<const ttir::Value*, Coordinates>;
  struct ComputedPosition {
    const ttir::Value* value;
    Coordinates at;
    bool steps = false;    // grows by one from lane to lane of a run; else the same in all of its lanes
    bool natural = false;  // not negative
    bool bounded = false;  // lies from low to high
    Term low = {};
    Term high = {};
    std::vector<MaskAt> masks = {};  // of loads that it rests on: where they are off it means nothing
  };
  struct Run {
    const ttir::Value* dividend;
    Coordinates at;
    int64_t divisor;
    Form form;
  };
  bool steady(const ttir::Value* value, const Coordinates& at, std::vector<MaskAt>* masks);
  bool stops_nest(const ttir::Value* mask, const Coordinates& at);
  std::optional<Form> quotient(const ttir::Operation& op, const Coordinates& at);
  std::optional<Form> computed_form(ComputedPosition position);
  bool bounded(const Form& form) const;
  bool natural(const Form& form) const;
  Term lane_step(const Form& form);
  Piece computed_row(size_t position);
  Coordinates at_first(const Coordinates& at);
  Piece run_mask();
  void set_bounds(ComputedPosition* position, const Term& low, const Term& high);
  void look_through_runs(const std::string& stop, std::vector<Carried>* carried,
                         const std::function<void(Stream&)>& body);
  bool bound_runs(const std::vector<Sink>& sinks);
  std::string run_end(const Piece& start, const std::string& stop, Stream& head);
  bool turns_each_run(const ComputedPosition& position) const;
  bool divides_along(const ttir::Operation& op, const Coordinates& at) const;

  // nest/index.cc
  Coordinates operand_coordinates(const ttir::Operation& op, size_t operand, const Coordinates& at);
  Index flatten(const std::vector<int64_t>& shape, const Coordinates& at);  // row-major
  Index arena_index(const ttir::Value* block, int64_t slot, const Coordinates& at);
  Form slot_form(const ttir::Value* block, int64_t slot, int64_t size, const Coordinates& at);
  Coordinates unflatten(const std::vector<int64_t>& shape, const Index& index);
  Piece index_piece(const Index& index, int copy);  // an i32
  Index linear_or_opaque(const Index& index, int64_t stride, int64_t extent);
  static Index unknown_index();
  static bool is_linear(const Index& index) { return index.opaque.empty(); }

  // nest/value.cc
  Piece value(const ttir::Value* value, const Coordinates& at, int copy);
  Piece compute(const ttir::Value* value, const Coordinates& at, int copy);
  Piece stored(const ttir::Value* value, int64_t slot, const Coordinates& at, int copy);
  Piece load(const ttir::Operation& op, const Coordinates& at, int copy);
  Piece element(const ttir::Operation& op, const Coordinates& at, int copy);
  Piece widen(const Piece& piece, const Type& element);
  Stream& stream(int level) { return *streams_[static_cast<size_t>(level)]; }
  bool holds_vector(const Form& form);
  void note_access(const ttir::Operation& op, const std::optional<Form>& form);
  Piece row_address(const Form& form);        // a ptr, the vector loop's own part left out
  Piece address(const Form& form, int copy);  // a ptr to lane 0
  Piece addresses(const ttir::Value* pointer, const Coordinates& at, int copy);  // <n x ptr>
  struct Mask {
    bool all = true;  // no lane is off
    Piece piece;
  };
  Mask mask(const ttir::Value* value, const Coordinates& at, int copy);
  Mask both(const Mask& a, const Mask& b);
  std::string masked_memory(const char* kind, const Type& element, int width, const std::string& pointers,
                            const std::string& mask, const std::string& value, Stream& out);
  std::string as_memory(const Type& element, const std::string& value, int width, Stream& out);
  std::string from_memory(const Type& element, const std::string& value, int width, Stream& out);
  struct Strip {  // that is whole, and whose place is contiguous
    Type memory;  // of an element
    std::string value;
    std::string pointer;
  };
  // What can be written as it is goes to `whole` instead.
  void store(const Sink& sink, const Coordinates& at, int copy, std::vector<Strip>* whole);
  void to_arena(const Form& form, const Type& memory, const std::string& text, int copy);
  void atomic(const Sink& sink, const Coordinates& at);
  static Type memory_type(const Type& element);

  // nest/past_cache.cc
  void note_in_place(const Access& store, const Access& load);
  void find_written_bytes(const std::vector<Sink>& sinks);
  void measure(const std::string& positions, Stream& out);
  std::vector<Strip> lines(std::vector<Strip> strips, Stream& out);
  void write(const std::vector<Strip>& strips, Stream& out);

  // nest/turn.cc
  int directions(const ttir::Value* block, const Coordinates& at, std::map<std::string, int>* known,
                 std::optional<size_t>* across);
  std::optional<size_t> unit_dimension(const Form& address, int64_t size) const;
  std::vector<std::string> transposed(std::vector<std::string> rows, const Type& element, Stream& out);
  // The loop that the strips of one iteration follow each other in, and how far apart they are there.
  size_t copy_loop() const { return turned_ ? vector_loop_ - 1 : vector_loop_; }
  int64_t copy_step() const { return turned_ ? 1 : lanes_; }

  // nest/mask.cc
  struct Atom {
    const ttir::Value* value;
    Coordinates at;
  };
  // The number of leading positions of the vector loop at which an atom holds. `upper`: beyond them it never does.
  struct Limit {
    std::string count;  // i64, any value
    bool upper;
    bool varies;  // along the vector loop
  };
  // Which part of the vector loop is live: computed in the loop around it.
  struct Live {
    std::map<std::string, bool> assumed;  // atoms that hold in the main loop; whether they vary along the vector loop
    std::vector<std::string> full;        // all positions below each of these are live
    std::vector<std::string> stop;        // from each of these on nothing is to be done
    std::map<std::string, Limit> limits;  // by atom
  };
  void atoms(const ttir::Value* mask, const Coordinates& at, std::vector<Atom>* out, bool implied = false);
  std::optional<Limit> limit(const Atom& atom);
  std::optional<Limit> limit(const Form& below);
  std::optional<Limit> limit_of_row(const Form& below);
  std::optional<Form> beyond_restriction();
  Piece restriction_mask(int copy);
  std::optional<Form> below_zero(const Atom& atom);
  Piece row_value(const Form& form);
  void collect_masks(const ttir::Value* value, const Coordinates& at, std::vector<MaskAt>* out,
                     std::set<std::string>* seen);
  void note_mask(const Atom& atom, bool limits);
  bool is_long() const { return loops_[vector_loop_].extent >= kLongLoop * lanes_; }
  Live live_part(const std::vector<MaskAt>& masks, const std::vector<MaskAt>& sink_masks);
  bool is_assumed(const ttir::Value* mask, const Coordinates& at);

  // nest/idle.cc
  enum class Idle {
    kVaries,  // from position to position
    kSame,    // one value
    kZero,    // 0 of either sign, or NaN
    kLowest,  // -infinity, or NaN
  };
  Idle idle(const ttir::Value* value, const Coordinates& at, const std::string& atom,
            std::map<std::string, Idle>* known);
  Idle idle_uncached(const ttir::Value* value, const Coordinates& at, const std::string& atom,
                     std::map<std::string, Idle>* known);
  static Idle idle_constant(const ttir::Operation& op);
  bool depends_on(const ttir::Value* mask, const Coordinates& at, const std::string& atom);
  bool is_idle_beyond(const ttir::Operation& combination, const std::string& atom);
  void collect_choices(const ttir::Value* value, const Coordinates& at, std::vector<Atom>* out,
                       std::set<std::string>* seen);
  std::vector<std::string> idle_from(const ttir::Operation& combination, const Live& live, Stream& out);
  bool stays_beyond(const Sink& sink, const std::string& atom);
  void stop_where_all_stays(const std::vector<Sink>& sinks, Live* live);

  // nest/prefetch.cc
  void prefetch(const ttir::Operation& load, const Form& form, int64_t size, const std::string& pointer, int copy,
                Stream& out);
  void prefetch_runs(const Form& form, const std::string& pointer, Stream& out);
  void prefetch_rows(const Form& form, int64_t size, const std::string& pointer, Stream& out);
  void prefetch_next(const ttir::Operation& load, int64_t size, const std::string& pointer, Stream& out);
  void prefetch_at(const std::string& pointer, const Term& distance, Stream& out);
  std::optional<Term> advance(const ttir::Value* value);

  // nest/quotient.cc
  static bool comes_of_a_sum(const ttir::Value* value);
  std::optional<Piece> quotient(const ttir::Operation& op, const Piece& dividend, const Piece& divisor);

  // nest/loops.cc
  using Step = LoopBody;
  void counted(Stream& out, const std::string& from, const std::string& to, int64_t step, bool may_be_empty,
               std::vector<Carried>* carried, const Step& body);
  void scalar_loop(size_t level, Stream& out, std::vector<Carried>* carried, int64_t from,
                   const std::function<void(Stream&)>& inside);
  void side_by_side(int copies, const std::function<void(int)>& write);
  // All loops round the vector loop; `inside` writes what is in them.
  void outer_loops(Stream& out, const std::function<void(Stream&)>& inside);
  // Calls body(copies) for the strips from `from` on: a main loop in which `live` holds and the rest.
  void vector_loop(Stream& out, const Live& live, int64_t from, int copies, std::vector<Carried>* carried,
                   const std::function<void(int)>& body);
  // One loop of strips, of which `holds` is known.
  void strips(Stream& out, const std::string& from, const std::string& to, int copies, bool may_be_empty,
              const Live* holds, std::vector<Carried>* carried, const std::function<void(int)>& body);
  void run_loop(Stream& out, const Live& live, int copies, const std::function<void(int)>& body);
  std::string clamped(const std::vector<std::string>& counts, int64_t extent, Stream& out);
  void nested(Stream& head, const std::function<void(Stream&)>& inside);
  static constexpr int kLight = 6;  // as strip_cost
  // Strips of a vector loop that is worth ending early where no mask ends it by itself: shorter ones are faster whole.
  static constexpr int kLongLoop = 32;
  void each_operation(const std::vector<const ttir::Value*>& roots,
                      const std::function<void(const ttir::Operation&)>& visit) const;
  void narrow(int size);  // of elements, in bytes: Note [Streams]
  int strip_work(const std::vector<const ttir::Value*>& roots);
  int choose_copies(const std::vector<const ttir::Value*>& roots, int most = 4);
  void forget_inside(size_t loop);  // what was computed in that loop, whose position is another from here on
  void forget_lanes() { forget_inside(vector_loop_); }
  std::string key(const ttir::Value* value, const Coordinates& at, int copy);

  // nest/scan.cc
  void scan_row(const ttir::Operation& op, const std::vector<int64_t>& slots, Stream& out);
  void scan_columns(const ttir::Operation& op, const std::vector<int64_t>& slots, Stream& out);
  std::vector<std::string> scan_lanes(const ttir::Operation& op, std::vector<std::string> values, Stream& out);

  // nest/reduce.cc
  std::vector<std::string> combine(const ttir::Operation& op, const std::vector<std::string>& a,
                                   const std::vector<std::string>& b, int width, Stream& out);
  std::vector<std::string> fold_lanes(const ttir::Operation& op, std::vector<std::string> values, int width,
                                      Stream& out);
  static std::optional<std::string> neutral(const ttir::Operation& op);
  std::vector<std::string> reduce_row(const ttir::Operation& op, Stream& out);
  std::vector<std::string> reduce_strips(const ttir::Operation& op, const Live& live,
                                         const std::optional<std::string>& start, int copies, Stream& out);
  std::optional<std::string> extreme_of_numbers(const ttir::Operation& op) const;
  void put(const ttir::Value* block, int64_t slot, const Coordinates& at, int copy, const std::string& text, int width,
           Stream& out);
  void reduce_columns(const ttir::Operation& op, const std::vector<int64_t>& slots, const Coordinates& result_at,
                      Stream& out);

  Surroundings& shared_;
  Elementwise& ops_;
  LlvmModule& module_;
  Mode mode_;
  std::vector<Loop> loops_;
  size_t vector_loop_ = 0;
  int lanes_ = 1;
  Coordinates coordinates_;
  Stream before_;
  Stream body_;
  std::string entry_;
  bool unknown_store_ = false;
  bool small_remainders_ = false;
  bool turned_ = false;               // of map_turned
  std::optional<size_t> restricted_;  // dimension
  std::string restriction_;           // i64
  bool whole_ = false;                // no strip needs a mask for it
  std::vector<Stream*> streams_;
  std::vector<std::string> guards_;
  std::map<std::string, bool> guard_texts_;
  std::map<std::string, std::optional<Form>> forms_;
  std::map<std::string, Piece> pieces_;  // values and helpers by key; those with lanes are forgotten between bodies
  std::map<std::string, std::string> terms_;   // level-0 arithmetic, so that equal terms have one name
  std::map<std::string, Coordinates> mapped_;  // through reshapes whose positions are computed
  std::set<std::string> seen_;                 // by find_loads
  std::vector<Access> unbounded_;              // loads that it found, which may be anywhere
  bool analysing_ = true;                      // until loops are being written
  bool only_numbers_ = false;                  // see Note [Extremes of numbers]
  bool elementary_ = false;                    // an exponential or the like is computed; known when loops are written
  int copy_ = 0;                               // whose strip is being written
  const Live* live_ = nullptr;                 // what holds in the body being written
  std::vector<ComputedPosition> computed_;
  std::map<std::string, std::pair<bool, std::vector<MaskAt>>> steady_;
  std::set<std::string> stops_;  // atoms whose leading part is all that any sink writes
  std::optional<Run> run_;
  std::string run_from_;  // i64, in the loop of runs
  std::string run_to_;    // i64, where the last strip of a run is written
  std::string written_;   // i64: bytes that the launch stores for each position along the strips
  std::string in_place_;  // i1: what is stored has just been read
  std::string near_;      // i64: 0 where stores go past the caches, else 1; "" where they never do
};

}  // namespace fl::compiler

#endif  // FLAGOS_COMPILER_LOWER_NEST_NEST_H_
