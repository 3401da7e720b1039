#include "aten/shadow.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/LegacyTypeDispatch.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/abs.h>
#include <ATen/ops/allclose.h>
#include <ATen/ops/empty_strided.h>

#include <sstream>

#include "aten/structural.h"
#include "aten/traits.h"

namespace flagos {
namespace {

using at::Tensor;

// A copy with the strides of the original, so that layouts reach the reference as they reached the target. Overlapping
// operands become independent: such calls are not compared.
Tensor duplicate(const Tensor& tensor) {
  if (!tensor.defined() || !tensor.is_non_overlapping_and_dense()) return tensor.defined() ? tensor.clone() : tensor;
  auto copied = at::empty_strided(tensor.sizes(), tensor.strides(), tensor.options());
  return copied.copy_(tensor);
}

c10::IValue duplicate(const c10::IValue& value) {
  if (value.isTensor()) return duplicate(value.toTensor());
  if (value.isTensorList()) {
    auto list = value.toTensorVector();
    for (auto& tensor : list) tensor = duplicate(tensor);
    return c10::IValue(std::move(list));
  }
  if (value.isOptionalTensorList()) {
    c10::List<std::optional<Tensor>> list;
    for (const std::optional<Tensor>& tensor : value.toOptionalTensorVector())
      list.push_back(tensor ? std::optional(duplicate(*tensor)) : tensor);
    return c10::IValue(std::move(list));
  }
  return value;
}

struct Tolerance {
  double relative, absolute;
};

// torch.testing's tolerances, one step wider for 16 bits: two correct kernels may round at other places.
Tolerance tolerance(at::ScalarType dtype) {
  switch (dtype) {
    case at::kHalf:
      return {5e-3, 1e-3};
    case at::kBFloat16:
      return {3.2e-2, 1e-3};
    case at::kFloat:
    case at::kComplexFloat:
      return {1e-4, 1e-5};
    case at::kDouble:
    case at::kComplexDouble:
      return {1e-7, 1e-7};
    default:
      return {0, 0};
  }
}

// Empty when equal enough, else what differs.
std::string difference(const Tensor& got, const Tensor& expected) {
  if (!got.defined() || !expected.defined())
    return got.defined() == expected.defined() ? "" : "one of them is undefined";
  std::ostringstream out;
  if (got.sizes() != expected.sizes() || got.scalar_type() != expected.scalar_type()) {
    out << "got " << got.scalar_type() << got.sizes() << ", the reference has " << expected.scalar_type()
        << expected.sizes();
    return out.str();
  }
  const auto a = got.cpu(), b = expected.cpu();
  const auto limit = tolerance(a.scalar_type());
  if (a.numel() == 0 || at::allclose(a, b, limit.relative, limit.absolute, /*equal_nan=*/true)) return "";
  const auto error = a.is_complex()
                         ? at::abs(a - b).max().item().toDouble()
                         : (a.to(at::kDouble) - b.to(at::kDouble)).abs().nan_to_num().max().item().toDouble();
  out << "largest absolute difference " << error << " in " << a.scalar_type() << a.sizes()
      << " (allowed: " << limit.relative << " relative, " << limit.absolute << " absolute)";
  return out.str();
}

std::string difference(const c10::IValue& got, const c10::IValue& expected) {
  if (got.isTensor() && expected.isTensor()) return difference(got.toTensor(), expected.toTensor());
  if (got.isTensorList() && expected.isTensorList()) {
    const auto a = got.toTensorVector(), b = expected.toTensorVector();
    if (a.size() != b.size()) return "the lists differ in length";
    for (size_t i = 0; i < a.size(); ++i) {
      if (auto text = difference(a[i], b[i]); !text.empty()) return text;
    }
  }
  return "";
}

bool is_comparable(const Operator& op) {
  return op.generators == 0 && op.name.rfind("empty", 0) != 0 && op.name != "native_dropout";
}

}  // namespace

bool run_shadowed(const Call& call, fl_target_run run, void* run_data, fl_target_run reference, void* reference_data,
                  fl_outcome& outcome, std::string& report) {
  if (!is_comparable(call.op)) {
    outcome = run(run_data, const_cast<Call*>(&call));
    return false;
  }
  const at::AutoDispatchBelowADInplaceOrView below;
  std::string described;
  describe(call, described);
  // Duplicates for the reference, and the operands themselves to look at what was written.
  torch::jit::Stack copies, operands;
  for (size_t i = 0; i < call.op.arguments; ++i) {
    copies.push_back(duplicate(call.argument(i)));
    operands.push_back(call.argument(i));
  }
  const auto written_copies = copies;
  outcome = run(run_data, const_cast<Call*>(&call));
  if (outcome != FL_ROUTE_DONE) return false;
  Call again{call.handle, call.op, copies};
  if (reference(reference_data, &again) != FL_ROUTE_DONE) return false;

  std::string text;
  const auto results = call.stack.size() - call.op.results;
  for (size_t i = 0; i < call.op.results && text.empty(); ++i) text = difference(call.stack[results + i], copies[i]);
  for (size_t i = 0; i < call.op.arguments && text.empty(); ++i) {
    if (call.op.writes(i)) text = difference(operands[i], written_copies[i]);
  }
  if (text.empty()) return false;
  report = call.op.name + "(" + described + "): " + text;
  return true;
}

}  // namespace flagos
