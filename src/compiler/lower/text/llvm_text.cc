#include "compiler/lower/text/llvm_text.h"

#include <bit>

#include "base/text.h"
#include "compiler/ttir/float_bits.h"

namespace fl::compiler {

std::string llvm_type(Scalar scalar, bool pointer, int width) {
  const char* name = "i64";
  if (!pointer) {
    switch (scalar) {
      case Scalar::kI1:
        name = "i1";
        break;
      case Scalar::kI8:
      case Scalar::kF8E4M3:
      case Scalar::kF8E5M2:
        name = "i8";
        break;
      case Scalar::kBF16:
      case Scalar::kI16:
        name = "i16";
        break;
      case Scalar::kI32:
        name = "i32";
        break;
      case Scalar::kI64:
        name = "i64";
        break;
      case Scalar::kF16:
        name = "half";
        break;
      case Scalar::kF32:
        name = "float";
        break;
      case Scalar::kF64:
        name = "double";
        break;
    }
  }
  return width == 1 ? name : formatted("<%d x %s>", width, name);
}

std::string llvm_constant(uint64_t bits, Scalar scalar) {
  const auto value = static_cast<unsigned long long>(bits);
  switch (scalar) {
    case Scalar::kI1:
      return bits != 0 ? "true" : "false";
    case Scalar::kF16:
      return formatted("0xH%04llX", value);
    case Scalar::kF32: {  // written as the double of the same value; NaN payloads survive the widening by hand
      const auto narrow = static_cast<uint32_t>(bits);
      if ((narrow & 0x7F800000u) == 0x7F800000u) {
        const uint64_t wide =
            (uint64_t{narrow >> 31} << 63) | (uint64_t{0x7FF} << 52) | (uint64_t{narrow & 0x7FFFFFu} << 29);
        return formatted("0x%016llX", static_cast<unsigned long long>(wide));
      }
      return formatted("0x%016llX",
                       static_cast<unsigned long long>(std::bit_cast<uint64_t>(double{std::bit_cast<float>(narrow)})));
    }
    case Scalar::kF64:
      return formatted("0x%016llX", value);
    default:
      return std::to_string(ttir::sign_extended(bits, ttir::bits_of(scalar)));
  }
}

std::string llvm_float(double value, Scalar scalar) { return llvm_constant(ttir::float_bits(value, scalar), scalar); }

std::string splat_constant(const std::string& constant, Scalar scalar, bool pointer, int width) {
  if (width == 1) return constant;
  return "splat (" + llvm_type(scalar, pointer, 1) + " " + constant + ")";
}

std::string lane_multiples(int width, const std::string& type, int64_t factor) {
  std::string text = "<";
  for (int i = 0; i < width; ++i) text += (i > 0 ? ", " : "") + type + " " + std::to_string(i * factor);
  return text + ">";
}

std::string LlvmModule::text(const std::string& kernel) const {
  std::string all = "target triple = \"x86_64-unknown-linux-gnu\"\n\n";
  for (const auto& [signature, used] : declarations_) all += "declare " + signature + "\n";
  for (const auto& [name, function] : functions_) all += "\n" + function;
  return all + "\n" + kernel;
}

}  // namespace fl::compiler
