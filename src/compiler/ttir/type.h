// The types of tile IR: a scalar, a pointer to a scalar, or a block ("tensor") of either. Nothing else exists in TTIR
// after the stock passes: no encodings, no pointer to a pointer, no dynamic dimension.
#ifndef FLAGOS_COMPILER_TTIR_TYPE_H_
#define FLAGOS_COMPILER_TTIR_TYPE_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace fl::ttir {

enum class Scalar : uint8_t { kI1, kI8, kI16, kI32, kI64, kF8E4M3, kF8E5M2, kF16, kBF16, kF32, kF64 };

int bits_of(Scalar scalar);
inline int bytes_of(Scalar scalar) { return (bits_of(scalar) + 7) / 8; }
bool is_float(Scalar scalar);
inline bool is_integer(Scalar scalar) { return !is_float(scalar); }
const char* name_of(Scalar scalar);  // as TTIR spells it: "i32", "f8E4M3FN"
bool scalar_from_name(std::string_view name, Scalar* scalar);

// The two's complement number in the lowest `width` bits, 1 to 64 of them; those above do not count.
constexpr int64_t sign_extended(uint64_t bits, int width) {
  const int unused = 64 - width;
  return static_cast<int64_t>(bits << unused) >> unused;
}

struct Type {
  Scalar scalar = Scalar::kI32;  // of an element; what a pointer points to
  bool pointer = false;
  bool tensor = false;
  std::vector<int64_t> shape;  // of a tensor, never empty there

  static Type of(Scalar scalar) { return Type{scalar, false, false, {}}; }
  int64_t elements() const;  // 1 for a scalar
  Type element() const { return Type{scalar, pointer, false, {}}; }
  Type with_element(const Type& element) const;  // the same shape of another element
  bool is(Scalar s) const { return !tensor && !pointer && scalar == s; }
  bool holds_float() const { return !pointer && is_float(scalar); }
  bool holds_integer() const { return !pointer && is_integer(scalar); }
  bool same_shape(const Type& other) const { return tensor == other.tensor && shape == other.shape; }
  bool operator==(const Type& other) const = default;
};

std::string to_string(const Type& type);

// Bounds that every type obeys (the parser refuses others), so that later stages need not fear overflow.
inline constexpr int64_t kMaxElements = int64_t{1} << 20;  // Triton's own limit of a block
inline constexpr int kMaxRank = 16;

}  // namespace fl::ttir

#endif  // FLAGOS_COMPILER_TTIR_TYPE_H_
