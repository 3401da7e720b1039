#include "aten/traits.h"

#include <c10/core/GradMode.h>
#include <c10/util/hash.h>

#include <sstream>

namespace flagos {
namespace {

// Calls `visit` with each defined tensor among the arguments, those in lists included.
template <class Visit>
void each_tensor(const Call& call, Visit visit) {
  for (size_t i = 0; i < call.op.arguments; ++i) {
    const auto& value = call.argument(i);
    if (value.isTensor()) {
      if (value.toTensor().defined()) visit(value.toTensor());
    } else if (value.isList()) {
      for (const c10::IValue& element : value.toListRef()) {
        if (element.isTensor() && element.toTensor().defined()) visit(element.toTensor());
      }
    }
  }
}

constexpr uint64_t bit(int number) { return 1ull << number; }

void describe(const c10::IValue& value, std::ostream& out) {
  if (value.isTensor() && value.toTensor().defined()) {
    const auto& tensor = value.toTensor();
    out << c10::toString(tensor.scalar_type()) << tensor.sizes();
    if (tensor.device().is_cpu()) out << "@cpu";
  } else if (value.isTensor() || value.isNone()) {
    out << "None";
  } else if (value.isList()) {
    out << '[';
    const char* separator = "";
    for (const c10::IValue& element : value.toListRef()) {
      out << separator;
      describe(element, out);
      separator = ", ";
    }
    out << ']';
  } else {
    out << value;
  }
}

}  // namespace

uint64_t traits_of(const Call& call) {
  uint64_t traits = 0;
  each_tensor(call, [&](const at::Tensor& tensor) {
    const auto dtype = static_cast<int>(tensor.scalar_type());
    traits |= FL_TRAIT_DTYPE(dtype < 31 ? dtype : 31);
    if (tensor.layout() != c10::kStrided) {
      traits |= bit(FL_TRAIT_NOT_STRIDED);
      return;
    }
    if (!tensor.is_contiguous()) traits |= bit(FL_TRAIT_NONCONTIGUOUS);
    if (tensor.device().is_cpu() && tensor.dim() > 0) traits |= bit(FL_TRAIT_CPU_OPERAND);
    if (tensor.dim() == 0) traits |= bit(FL_TRAIT_ZERO_DIM);
    if (tensor.numel() == 0) traits |= bit(FL_TRAIT_EMPTY);
    if (tensor.is_conj() || tensor.is_neg()) traits |= bit(FL_TRAIT_CONJ_OR_NEG);
    if (tensor.requires_grad() && c10::GradMode::is_enabled()) traits |= bit(FL_TRAIT_GRAD);
  });
  return traits;
}

void describe(const Call& call, std::string& text) {
  std::ostringstream out;
  const char* separator = "";
  for (size_t i = 0; i < call.op.arguments; ++i) {
    out << separator;
    describe(call.argument(i), out);
    separator = ", ";
  }
  text = out.str();
}

uint64_t signature_of(const Call& call) {
  size_t seed = static_cast<size_t>(call.op.id);
  const auto add = [&](size_t value) { seed = c10::hash_combine(seed, value); };
  each_tensor(call, [&](const at::Tensor& tensor) {
    add(static_cast<size_t>(tensor.scalar_type()));
    add(static_cast<size_t>(tensor.dim()));
    add(tensor.is_contiguous());
    for (const auto size : tensor.sizes()) add(size < 2 ? static_cast<size_t>(size) : 2);
  });
  return seed;
}

}  // namespace flagos
