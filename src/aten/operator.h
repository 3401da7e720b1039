// What the plugin knows about one operator overload: its schema's facts and its routes. One object an operator, made
// when the library is loaded, alive as long as the process.
#pragma once

#include <ATen/core/dispatch/Dispatcher.h>

#include <array>
#include <atomic>
#include <string>
#include <string_view>

#include "aten/current.h"
#include "flagos/routing.h"

namespace flagos {

struct Operator;

// A call on its way through the routes; what routing.h calls `call`.
struct Call {
  const c10::OperatorHandle& handle;
  const Operator& op;
  torch::jit::Stack& stack;

  size_t first_argument() const;
  c10::IValue& argument(size_t i) const { return stack[first_argument() + i]; }
};

// A kernel of the plugin's own that the target `cpu` runs instead of PyTorch's CPU kernel (own_kernels.h). Takes the
// arguments off the stack and puts the results on it.
using OwnKernel = void (*)(const Call&);

struct Operator {
  explicit Operator(const c10::OperatorHandle& handle);

  std::string name;       // "add.Tensor", as in conf files
  std::string full_name;  // "aten::add.Tensor"
  size_t arguments = 0, results = 0;
  uint64_t written = 0;     // bit i: argument i is written
  uint64_t generators = 0;  // bit i: argument i is a Generator?
  bool takes_cpu_operands = false;
  bool has_cpu_kernel = true;
  OwnKernel own = nullptr;
  // The key of PyTorch's kernel that composes this operator of others, which the target `cpu` then runs; composites.h.
  c10::DispatchKey composite = c10::DispatchKey::Undefined;

  int32_t id = -1;  // routing's number

  bool writes(size_t argument) const { return argument < 64 && (written >> argument & 1); }

  // The route in force on a driver.
  const fl_route* route(int32_t driver) const {
    auto* slot = slots_[static_cast<size_t>(driver)].load(std::memory_order_acquire);
    if (C10_UNLIKELY(slot == nullptr)) slot = find_slot(driver);
    return __atomic_load_n(&slot->route, __ATOMIC_ACQUIRE);
  }

 private:
  fl_route_slot* find_slot(int32_t driver) const;
  static constexpr size_t kMaxDrivers = 16;
  mutable std::array<std::atomic<fl_route_slot*>, kMaxDrivers> slots_{};
};

// The operator of a schema; makes and declares it the first time. Not for hot paths.
Operator& operator_for(const c10::OperatorHandle& handle);
// nullptr when no such operator was made. `name` as in conf files.
Operator* find_operator(std::string_view name);

// The driver index of a call: that of its first flagos tensor or device argument, else of the current device.
int32_t driver_of(const Call& call);
// Runs a call on its route; the stack then holds the results.
void run_routed(const Call& call);

}  // namespace flagos
