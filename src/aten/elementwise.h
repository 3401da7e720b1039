// The short way for elementwise operators on a host device: PyTorch's structured kernel works on the flagos tensors
// themselves, with an output from our pool.
//
// Note [The short way]
// A structured kernel is a meta function, which plans the loop and asks for its output through a virtual function, and
// an impl, which runs a loop chosen by device from a DispatchStub. Both are exported for backends to derive from. With
// the CPU's loops registered for PrivateUse1 (stubs.cc), the derived class below needs no stand-ins, no boxing and no
// second trip through the dispatcher, so a small operator costs less than on cpu.
//
// TensorIterator converts operands of unlike dtypes for the CPU alone; other devices' loops convert as they load. So
// the short way is taken only when all operands have one dtype, and the long way (cpu_target.h) otherwise. Scalars of
// Python arrive as CPU tensors of 64 bits: they are converted here when that is what the CPU would do.
#pragma once

#include <ATen/EmptyTensor.h>
#include <ATen/TensorIterator.h>
#include <ATen/core/Tensor.h>
#include <ATen/core/stack.h>
#include <torch/library.h>

#include <optional>
#include <tuple>
#include <type_traits>

#include "aten/memory.h"
#include "aten/operator.h"
#include "aten/torch_version.h"

namespace flagos {

// The id of the target `cpu`, for comparison with fl_route.plain_target.
int32_t cpu_target_id();

// True when a call of `op` may take a short way: one host driver, and its route is a plain run of `cpu`.
inline bool may_run_short(const Operator& op) {
  return single_host_driver() && op.route(0)->plain_target == cpu_target_id();
}

// Boxes the arguments and runs the call on its route.
template <class... Args>
void run_boxed(const c10::OperatorHandle& handle, const Operator& op, torch::jit::Stack& stack, const Args&... args) {
  stack.reserve(sizeof...(Args));
  torch::jit::push(stack, args...);
  run_routed({handle, op, stack});
}

// A 0-dim CPU tensor of Python's, as one of `dtype`, when the CPU would compute in `dtype`; nullopt when it would not.
std::optional<at::Tensor> scalar_operand_as(const at::Tensor& scalar, c10::ScalarType dtype);

namespace elementwise {

// The structured kernel `Native` with an output of ours: the one that is given (in place), or a fresh one.
template <class Native>
class Planned final : public Native {
 public:
  explicit Planned(at::Tensor output = {}) : output_(std::move(output)), in_place_(output_.defined()) {}

  void set_output_strided(int64_t i, at::IntArrayRef sizes, at::IntArrayRef strides,
                          at::TensorOptions options FLAGOS_NAMES_PARAMETER) override {
    set_output_raw_strided(i, sizes, strides, options FLAGOS_NAMES_ARGUMENT);
  }
  void set_output_raw_strided(int64_t i, at::IntArrayRef sizes, at::IntArrayRef strides,
                              at::TensorOptions options FLAGOS_NAMES_PARAMETER) override {
    if (!in_place_) {
      output_ = make(sizes, strides, options);
    } else if (output_.sizes() != sizes || output_.dtype() != options.dtype()) {
      fits_ = false;  // the long way raises the CPU's own error
    }
    Native::set_output_raw_strided(i, sizes, strides, options FLAGOS_NAMES_ARGUMENT);
  }
  const at::Tensor& maybe_get_output(int64_t /*i*/) override { return output_; }

  // Whether the CPU's loop may run: see Note [The short way].
  bool runnable() const {
    if (!fits_) return false;
    const auto dtype = this->dtype(this->noutputs());
    for (int i = this->noutputs() + 1; i < this->ntensors(); ++i) {
      if (this->dtype(i) != dtype) return false;
    }
    const auto result = output_.scalar_type();
    return (result == dtype || result == c10::kBool) && !reads_a_reduced_scalar(dtype);
  }

  at::Tensor& output() { return output_; }

 private:
  static at::Tensor make(at::IntArrayRef sizes, at::IntArrayRef strides, const at::TensorOptions& options) {
    constexpr c10::DispatchKeySet keys(c10::DispatchKey::PrivateUse1);
    auto* allocator = device_allocator(options.device().index());
    const auto dtype = c10::typeMetaToScalarType(options.dtype());
    return strides.empty() ? at::detail::empty_generic(sizes, allocator, keys, dtype, options.memory_format_opt())
                           : at::detail::empty_strided_generic(sizes, strides, allocator, keys, dtype);
  }

  // For 16-bit floats the CPU's loops treat an operand of one element on the CPU in another precision than elsewhere.
  bool reads_a_reduced_scalar(c10::ScalarType dtype) const {
    if (dtype != c10::kHalf && dtype != c10::kBFloat16) return false;
    for (int i = this->noutputs() + 1; i < this->ntensors(); ++i) {
      if (this->tensor_base(i).numel() == 1) return true;
    }
    return false;
  }

  at::Tensor output_;
  bool in_place_;
  bool fits_ = true;
};

// Only flagos tensors, and scalars of Python's beside them, take the short way.
inline bool is_plain(const at::Tensor& tensor) {
  return tensor.defined() &&
         (tensor.device().type() == kFlagos ? tensor.layout() == c10::kStrided && !tensor._is_zerotensor()
                                            : tensor.unsafeGetTensorImpl()->is_wrapped_number());
}
template <class T>
bool is_plain(const T&) {
  return true;
}

// `T` as Planned::meta takes it: a wrapped number becomes a scalar of the first operand's dtype.
template <class T>
const T& operand(const T& value, const at::Tensor& /*first*/, bool& /*ok*/) {
  return value;
}
inline at::Tensor operand(const at::Tensor& value, const at::Tensor& first, bool& ok) {
  if (value.device().type() == kFlagos || value.scalar_type() == first.scalar_type()) return value;
  auto converted = scalar_operand_as(value, first.scalar_type());
  ok &= converted.has_value();
  return converted ? *std::move(converted) : value;
}

template <class Native, class... Args>
bool run(Planned<Native>& plan, const at::Tensor& first, const Args&... rest) {
  if (!is_plain(first) || first.device().type() != kFlagos || !(is_plain(rest) && ...)) return false;
  bool ok = true;
  const auto run_with = [&](const auto&... operands) {
    if (!ok) return false;
    plan.meta(first, operands...);
    if (!plan.runnable()) return false;
    plan.impl(first, operands..., plan.output());
    return true;
  };
  return run_with(operand(rest, first, ok)...);
}

// The kernel of the functional operator `Op`, e.g. at::_ops::add_Tensor.
template <class Op, class Native, class Schema = typename Op::schema>
struct Functional;
template <class Op, class Native, class... Args>
struct Functional<Op, Native, at::Tensor(Args...)> {
  inline static const Operator* op = nullptr;
  inline static std::optional<c10::OperatorHandle> handle;

  static at::Tensor call(Args... args) {
    if (C10_LIKELY(may_run_short(*op))) {
      Planned<Native> plan;
      if (C10_LIKELY(run(plan, args...))) return std::move(plan.output());
    }
    torch::jit::Stack stack;
    run_boxed(*handle, *op, stack, args...);
    return std::move(stack.back()).toTensor();
  }
};

// The kernel of the in-place operator `Op`, e.g. at::_ops::add__Tensor.
template <class Op, class Native, class Schema = typename Op::schema>
struct InPlace;
template <class Op, class Native, class... Args>
struct InPlace<Op, Native, at::Tensor&(at::Tensor&, Args...)> {
  inline static const Operator* op = nullptr;
  inline static std::optional<c10::OperatorHandle> handle;

  static at::Tensor& call(at::Tensor& self, Args... args) {
    if (C10_LIKELY(may_run_short(*op))) {
      Planned<Native> plan(self);
      if (C10_LIKELY(run(plan, self, args...))) return self;
    }
    torch::jit::Stack stack;
    run_boxed(*handle, *op, stack, self, args...);
    return self;
  }
};

}  // namespace elementwise

// One operator that has a short way: its name and how to register it.
struct ShortWay {
  std::string name;
  void (*install)(torch::Library& library, const c10::OperatorHandle& handle, const Operator& op);
};

template <class Kernel>
void install_short_way(torch::Library& library, const c10::OperatorHandle& handle, const Operator& op) {
  Kernel::op = &op;
  Kernel::handle = handle;
  library.impl(op.full_name.c_str(), TORCH_FN(Kernel::call));
}

template <class Op, class Kernel>
ShortWay short_way() {
  std::string name = std::string(Op::name).substr(std::string_view("aten::").size());
  if (*Op::overload_name != '\0') name += std::string(".") + Op::overload_name;
  return {std::move(name), &install_short_way<Kernel>};
}

std::vector<ShortWay> elementwise_short_ways();  // elementwise.cc

}  // namespace flagos
