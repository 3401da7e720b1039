#include "aten/traits.h"

#include <ATen/core/LegacyTypeDispatch.h>
#include <c10/core/GradMode.h>
#include <c10/core/ScalarType.h>

#include <array>

#include "flagos/routing.h"

namespace flagos {
namespace {

// The dtypes that have a bit, in the order of the bits. One that is not here shares the last bit: a target that names
// its dtypes refuses it.
constexpr std::array<c10::ScalarType, 18> kDtypes = {
    c10::kFloat,         c10::kHalf,        c10::kBFloat16,      c10::kDouble,       c10::kBool,          c10::kByte,
    c10::kChar,          c10::kShort,       c10::kInt,           c10::kLong,         c10::kUInt16,        c10::kUInt32,
    c10::kUInt64,        c10::kComplexHalf, c10::kComplexFloat,  c10::kComplexDouble, c10::kFloat8_e4m3fn, c10::kFloat8_e5m2};
constexpr int kOtherDtype = 31;

constexpr uint64_t bit(int number) { return 1ull << number; }

uint64_t dtype_trait(c10::ScalarType dtype) {
  for (size_t i = 0; i < kDtypes.size(); ++i) {
    if (kDtypes[i] == dtype) return FL_TRAIT_DTYPE(i);
  }
  return FL_TRAIT_DTYPE(kOtherDtype);
}

const bool named = [] {
  // The core keeps the texts; c10's names live as long as the process.
  for (size_t i = 0; i < kDtypes.size(); ++i) fl_routing_name_trait(static_cast<int32_t>(i), c10::toString(kDtypes[i]));
  fl_routing_name_trait(kOtherDtype, "another dtype");
  return true;
}();

}  // namespace

uint64_t traits_of(const at::Tensor& tensor) {
  if (!tensor.defined()) return 0;
  uint64_t traits = dtype_trait(tensor.scalar_type());
  if (tensor.device().is_cpu()) traits |= bit(FL_TRAIT_CPU_OPERAND);
  if (tensor.requires_grad() && c10::GradMode::is_enabled()) traits |= bit(FL_TRAIT_GRAD);
  if (tensor.is_conj() || tensor.is_neg()) traits |= bit(FL_TRAIT_CONJ_OR_NEG);
  if (tensor.layout() != c10::kStrided) return traits | bit(FL_TRAIT_NOT_STRIDED);
  if (tensor.unsafeGetTensorImpl()->has_symbolic_sizes_strides()) return traits | bit(FL_TRAIT_SYMBOLIC);
  if (tensor.dim() == 0) traits |= bit(FL_TRAIT_ZERO_DIM);
  if (tensor.numel() == 0) traits |= bit(FL_TRAIT_EMPTY);
  if (!tensor.is_contiguous()) traits |= bit(FL_TRAIT_NONCONTIGUOUS);
  return traits;
}

uint64_t traits_of(at::TensorList operands) {
  uint64_t traits = 0;
  for (const auto& tensor : operands) traits |= traits_of(tensor);
  return traits;
}

}  // namespace flagos
