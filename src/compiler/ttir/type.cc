#include "compiler/ttir/type.h"

namespace fl::ttir {
namespace {

struct ScalarRow {
  const char* name;
  int bits;
  bool floating;
};
constexpr ScalarRow kScalars[] = {{"i1", 1, false},   {"i8", 8, false},      {"i16", 16, false},  {"i32", 32, false},
                                  {"i64", 64, false}, {"f8E4M3FN", 8, true}, {"f8E5M2", 8, true}, {"f16", 16, true},
                                  {"bf16", 16, true}, {"f32", 32, true},     {"f64", 64, true}};

const ScalarRow& row(Scalar scalar) { return kScalars[static_cast<int>(scalar)]; }

}  // namespace

int bits_of(Scalar scalar) { return row(scalar).bits; }
bool is_float(Scalar scalar) { return row(scalar).floating; }
const char* name_of(Scalar scalar) { return row(scalar).name; }

bool scalar_from_name(std::string_view name, Scalar* scalar) {
  for (size_t i = 0; i < std::size(kScalars); ++i) {
    if (name == kScalars[i].name) {
      *scalar = static_cast<Scalar>(i);
      return true;
    }
  }
  return false;
}

int64_t Type::elements() const {
  int64_t count = 1;
  for (int64_t extent : shape) count *= extent;
  return count;
}

Type Type::with_element(const Type& element) const {
  Type type = element;
  type.tensor = tensor;
  type.shape = shape;
  return type;
}

std::string to_string(const Type& type) {
  std::string element = name_of(type.scalar);
  if (type.pointer) element = "!tt.ptr<" + element + ">";
  if (!type.tensor) return element;
  std::string text = "tensor<";
  for (int64_t extent : type.shape) text += std::to_string(extent) + "x";
  return text + element + ">";
}

}  // namespace fl::ttir
