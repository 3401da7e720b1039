#include "base/relocation.h"

#include <elf.h>

#include <cstring>
#include <limits>

namespace fl {
namespace {

constexpr Form kForms[] = {
    {R_X86_64_NONE, Form::kNothing, 0, false, "R_X86_64_NONE"},
    {R_X86_64_64, Form::kAbsolute, 8, false, "R_X86_64_64"},
    {R_X86_64_32, Form::kAbsolute, 4, true, "R_X86_64_32"},
    {R_X86_64_32S, Form::kAbsolute, 4, false, "R_X86_64_32S"},
    {R_X86_64_PC32, Form::kRelative, 4, false, "R_X86_64_PC32"},
    {R_X86_64_PC64, Form::kRelative, 8, false, "R_X86_64_PC64"},
    {R_X86_64_PLT32, Form::kCall, 4, false, "R_X86_64_PLT32"},
    {R_X86_64_GOTPCREL, Form::kEntry, 4, false, "R_X86_64_GOTPCREL"},
    {R_X86_64_GOTPCRELX, Form::kEntry, 4, false, "R_X86_64_GOTPCRELX"},
    {R_X86_64_REX_GOTPCRELX, Form::kEntry, 4, false, "R_X86_64_REX_GOTPCRELX"},
};

struct Refused {
  uint32_t type;
  const char* name;
  const char* why;
};

constexpr const char* kThreadLocal = "is thread-local, which a loaded object cannot have; use an argument instead";
constexpr const char* kLargeModel = "belongs to the large code model; compile with the small one and -fPIC";

constexpr Refused kRefused[] = {
    {R_X86_64_TPOFF32, "R_X86_64_TPOFF32", kThreadLocal},      {R_X86_64_TPOFF64, "R_X86_64_TPOFF64", kThreadLocal},
    {R_X86_64_DTPOFF32, "R_X86_64_DTPOFF32", kThreadLocal},    {R_X86_64_DTPOFF64, "R_X86_64_DTPOFF64", kThreadLocal},
    {R_X86_64_TLSGD, "R_X86_64_TLSGD", kThreadLocal},          {R_X86_64_TLSLD, "R_X86_64_TLSLD", kThreadLocal},
    {R_X86_64_GOTTPOFF, "R_X86_64_GOTTPOFF", kThreadLocal},    {R_X86_64_DTPMOD64, "R_X86_64_DTPMOD64", kThreadLocal},
    {R_X86_64_GOTOFF64, "R_X86_64_GOTOFF64", kLargeModel},     {R_X86_64_GOTPC32, "R_X86_64_GOTPC32", kLargeModel},
    {R_X86_64_GOTPC64, "R_X86_64_GOTPC64", kLargeModel},       {R_X86_64_GOT64, "R_X86_64_GOT64", kLargeModel},
    {R_X86_64_GOTPCREL64, "R_X86_64_GOTPCREL64", kLargeModel}, {R_X86_64_PLTOFF64, "R_X86_64_PLTOFF64", kLargeModel},
};

}  // namespace

const Form* find_form(uint32_t type) noexcept {
  for (const Form& form : kForms) {
    if (form.type == type) return &form;
  }
  return nullptr;
}

std::string why_unsupported(uint32_t type, const std::string& symbol) {
  for (const Refused& refused : kRefused) {
    if (refused.type == type) return symbol + " (relocation " + refused.name + ") " + refused.why;
  }
  return symbol + " has a relocation of type " + std::to_string(type) + ", which this loader does not know";
}

bool apply(const Form& form, std::byte* place, uint64_t target, int64_t addend) noexcept {
  uint64_t value = target + static_cast<uint64_t>(addend);
  if (form.kind != Form::kAbsolute) value -= reinterpret_cast<uint64_t>(place);
  if (form.width == 4) {
    const auto narrow = static_cast<uint32_t>(value);
    const uint64_t wide =
        form.is_unsigned ? uint64_t{narrow} : static_cast<uint64_t>(int64_t{static_cast<int32_t>(narrow)});
    if (wide != value) return false;
  }
  std::memcpy(place, &value, form.width);  // little-endian, as every x86-64
  return true;
}

}  // namespace fl
