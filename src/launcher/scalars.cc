#include "launcher/scalars.h"

#include <bit>
#include <cmath>
#include <cstring>
#include <string>

namespace fl::launcher {
namespace {

struct Named {
  std::string_view name;
  Kind kind;
};
constexpr Named kKinds[] = {
    {"i1", Kind::kBool},  {"u1", Kind::kBool}, {"i8", Kind::kI8},    {"i16", Kind::kI16},
    {"i32", Kind::kI32},  {"i64", Kind::kI64}, {"u8", Kind::kU8},    {"u16", Kind::kU16},
    {"u32", Kind::kU32},  {"u64", Kind::kU64}, {"fp16", Kind::kF16}, {"bf16", Kind::kBF16},
    {"fp32", Kind::kF32}, {"f32", Kind::kF32}, {"fp64", Kind::kF64}, {"f64", Kind::kF64},
};

const char* name_of(Kind kind) {
  for (const Named& known : kKinds)
    if (known.kind == kind) return known.name.data();
  return "address";
}

int width_of(Kind kind) {
  switch (kind) {
    case Kind::kI8:
    case Kind::kU8:
      return 8;
    case Kind::kI16:
    case Kind::kU16:
      return 16;
    case Kind::kI32:
    case Kind::kU32:
      return 32;
    default:
      return 64;
  }
}

// Python's own text of the failure, with the argument's name before it.
[[noreturn]] void refuse(PyObject* error, Kind kind, PyObject* value, const char* name) {
  PyErr_Clear();
  const char* const why =
      error == PyExc_OverflowError ? "%R does not fit into its type %s" : "%R is not a number, which its type %s wants";
  raise(error, (std::string("the kernel's argument '%s': ") + why).c_str(), name, value, name_of(kind));
}

uint64_t signed_bits(Kind kind, PyObject* value, const char* name) {
  int overflow = 0;
  const long long number = PyLong_AsLongLongAndOverflow(value, &overflow);
  if (number == -1 && PyErr_Occurred()) refuse(PyExc_TypeError, kind, value, name);
  const int width = width_of(kind);
  const long long most = INT64_MAX >> (64 - width);
  if (overflow != 0 || number > most || number < -most - 1) refuse(PyExc_OverflowError, kind, value, name);
  return static_cast<uint64_t>(number);
}

uint64_t unsigned_bits(Kind kind, PyObject* value, const char* name) {
  const Ref integer = Ref::share(value);
  Ref index(PyLong_Check(value) ? integer : Ref());
  if (!index) {
    PyObject* const made = PyNumber_Index(value);
    if (made == nullptr) refuse(PyExc_TypeError, kind, value, name);
    index = Ref::take(made);
  }
  const unsigned long long number = PyLong_AsUnsignedLongLong(index.get());
  const bool failed = number == static_cast<unsigned long long>(-1) && PyErr_Occurred() != nullptr;
  if (failed || number > UINT64_MAX >> (64 - width_of(kind))) refuse(PyExc_OverflowError, kind, value, name);
  return number;
}

double floating(Kind kind, PyObject* value, const char* name) {
  const double number = PyFloat_AsDouble(value);
  if (number == -1.0 && PyErr_Occurred()) {
    refuse(PyErr_ExceptionMatches(PyExc_OverflowError) ? PyExc_OverflowError : PyExc_TypeError, kind, value, name);
  }
  return number;
}

// Through single precision, as every kernel that takes a bf16 from elsewhere sees it.
uint64_t bfloat16_bits(double value) {
  const auto bits = std::bit_cast<uint32_t>(static_cast<float>(value));
  if (std::isnan(value)) return (bits >> 16) | 0x40;
  return (bits + 0x7FFF + (bits >> 16 & 1)) >> 16;
}

}  // namespace

Kind kind_named(std::string_view name) {
  if (name.starts_with('*')) return Kind::kAddress;
  for (const Named& known : kKinds)
    if (known.name == name) return known.kind;
  raise(PyExc_ValueError, "a kernel's argument of type '%s' is not known to the launcher", std::string(name).c_str());
}

void pack(Kind kind, PyObject* value, const char* name, uint64_t* place) {
  switch (kind) {
    case Kind::kBool: {
      const int truth = PyObject_IsTrue(value);
      if (truth < 0) throw Raised();
      *place = static_cast<uint64_t>(truth);
      return;
    }
    case Kind::kI8:
    case Kind::kI16:
    case Kind::kI32:
    case Kind::kI64:
      *place = signed_bits(kind, value, name);
      return;
    case Kind::kU8:
    case Kind::kU16:
    case Kind::kU32:
    case Kind::kU64:
      *place = unsigned_bits(kind, value, name);
      return;
    case Kind::kF16:
      *place = std::bit_cast<uint16_t>(static_cast<_Float16>(floating(kind, value, name)));
      return;
    case Kind::kBF16:
      *place = bfloat16_bits(floating(kind, value, name));
      return;
    case Kind::kF32:
      *place = std::bit_cast<uint32_t>(static_cast<float>(floating(kind, value, name)));
      return;
    case Kind::kF64:
      *place = std::bit_cast<uint64_t>(floating(kind, value, name));
      return;
    case Kind::kAddress:
      break;
  }
  raise(PyExc_SystemError, "an address is not packed as a number");
}

}  // namespace fl::launcher
