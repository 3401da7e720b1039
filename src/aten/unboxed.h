// The middle way: CPU kernels on stand-ins (host_call.h) without boxing the call, for operators that models call often
// and that cannot take the short way (elementwise.h), since their kernels ask for CPU tensors or for CPU memory.
//
// Structured kernels also get their output from our pool: PyTorch's allocator for the CPU maps fresh pages for each
// large result, which costs more than the kernel.
#pragma once

#include <ATen/core/LegacyTypeDispatch.h>

#include "aten/elementwise.h"
#include "aten/host_call.h"

namespace flagos::unboxed {

// A CPU tensor with memory of `device`'s pool, that HostCall::leave hands over without a copy.
inline at::Tensor pooled_host_tensor(c10::DeviceIndex device, at::IntArrayRef sizes, at::IntArrayRef strides,
                                     const at::TensorOptions& options) {
  constexpr c10::DispatchKeySet keys(c10::DispatchKey::CPU);
  auto* allocator = host_labelled_allocator(device);
  const auto dtype = c10::typeMetaToScalarType(options.dtype());
  return strides.empty() ? at::detail::empty_generic(sizes, allocator, keys, dtype, options.memory_format_opt())
                         : at::detail::empty_strided_generic(sizes, strides, allocator, keys, dtype);
}

// Carries arguments over, by type. A tensor with dimensions on the CPU sends the call the long way, which judges it.
class Operands {
 public:
  explicit Operands(HostCall& host) : host_(host) {}
  bool ok() const { return ok_; }

  at::Tensor operator()(const at::Tensor& tensor) {
    if (!tensor.defined()) return tensor;
    ok_ &= tensor.layout() == c10::kStrided && (tensor.device().type() == kFlagos || tensor.dim() == 0);
    return ok_ ? host_.enter(tensor, /*written=*/false) : tensor;
  }
  std::optional<at::Tensor> operator()(const std::optional<at::Tensor>& tensor) {
    return tensor ? std::optional((*this)(*tensor)) : tensor;
  }
  template <class T>
  const T& operator()(const T& value) {
    return value;
  }

 private:
  HostCall& host_;
  bool ok_ = true;
};

// A functional operator's CPU kernel, whatever it is.
template <class Op, class Schema = typename Op::schema>
struct Kernel;
template <class Op, class Result, class... Args>
struct Kernel<Op, Result(Args...)> {
  inline static const Operator* op = nullptr;
  inline static std::optional<c10::OperatorHandle> handle;

  static Result call(Args... args) {
    if (C10_LIKELY(may_run_short(*op))) {
      const at::AutoDispatchBelowADInplaceOrView below;
      HostCall host(op->name.c_str());
      Operands operands(host);
      const std::tuple<std::decay_t<decltype(operands(args))>...> entered{operands(args)...};
      if (C10_LIKELY(operands.ok())) {
        return leave(
            host, std::apply(
                      [](const auto&... a) { return Op::redispatch(c10::DispatchKeySet(c10::DispatchKey::CPU), a...); },
                      entered));
      }
    }
    torch::jit::Stack stack;
    run_boxed(*handle, *op, stack, args...);
    return c10::impl::PopResult<Result>::call(stack);
  }

 private:
  static at::Tensor leave(HostCall& host, const at::Tensor& result) { return host.leave(result); }
  static at::Scalar leave(HostCall& /*host*/, at::Scalar result) { return result; }
  template <class... Results>
  static std::tuple<Results...> leave(HostCall& host, std::tuple<Results...> results) {
    return std::apply([&](const auto&... r) { return std::tuple<Results...>{one(host, r)...}; }, results);
  }
  static at::Tensor one(HostCall& host, const at::Tensor& result) { return host.leave(result); }
  template <class T>
  static const T& one(HostCall& /*host*/, const T& result) {
    return result;
  }
};

// The structured kernel `Native`, on stand-ins, with an output from the pool.
template <class Native>
class Pooled final : public Native {
 public:
  explicit Pooled(c10::DeviceIndex device) : device_(device) {}
  void set_output_strided(int64_t i, at::IntArrayRef sizes, at::IntArrayRef strides,
                          at::TensorOptions options FLAGOS_NAMES_PARAMETER) override {
    set_output_raw_strided(i, sizes, strides, options FLAGOS_NAMES_ARGUMENT);
  }
  void set_output_raw_strided([[maybe_unused]] int64_t i, at::IntArrayRef sizes, at::IntArrayRef strides,
                              at::TensorOptions options FLAGOS_NAMES_PARAMETER) override {
    output_ = pooled_host_tensor(device_, sizes, strides, options);
    if constexpr (std::is_base_of_v<at::TensorIteratorBase, Native>)
      Native::set_output_raw_strided(i, sizes, strides, options FLAGOS_NAMES_ARGUMENT);
  }
  const at::Tensor& maybe_get_output(int64_t /*i*/) override { return output_; }
  at::Tensor& output() { return output_; }

 private:
  c10::DeviceIndex device_;
  at::Tensor output_;
};

template <class Op, class Native, class Schema = typename Op::schema>
struct Structured;
template <class Op, class Native, class... Args>
struct Structured<Op, Native, at::Tensor(Args...)> {
  inline static const Operator* op = nullptr;
  inline static std::optional<c10::OperatorHandle> handle;

  static at::Tensor call(Args... args) {
    if (C10_LIKELY(may_run_short(*op))) {
      const at::AutoDispatchBelowADInplaceOrView below;
      HostCall host(op->name.c_str());
      Operands operands(host);
      const std::tuple<std::decay_t<decltype(operands(args))>...> entered{operands(args)...};
      if (C10_LIKELY(operands.ok())) {
        Pooled<Native> kernel(host.device());
        std::apply(
            [&](const auto&... a) {
              kernel.meta(a...);
              kernel.impl(a..., kernel.output());
            },
            entered);
        return host.leave(kernel.output());
      }
    }
    torch::jit::Stack stack;
    run_boxed(*handle, *op, stack, args...);
    return std::move(stack.back()).toTensor();
  }
};

}  // namespace flagos::unboxed

namespace flagos {
std::vector<ShortWay> unboxed_ways();  // unboxed.cc
}
