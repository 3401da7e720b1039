// The relocation types of x86-64 that the loader knows, as data (System V ABI, AMD64 supplement, table 4.9).
#ifndef FLAGOS_BASE_RELOCATION_H_
#define FLAGOS_BASE_RELOCATION_H_

#include <cstddef>
#include <cstdint>
#include <string>

namespace fl {

struct Form {
  enum Kind {
    kNothing,
    kAbsolute,  // S + A
    kRelative,  // S + A - P
    kCall,      // S + A - P, or by way of a stub when S is far away
    kEntry      // G + A - P: the displacement to an 8-byte entry that holds S
  };
  uint32_t type;
  Kind kind;
  size_t width;      // bytes
  bool is_unsigned;  // how a 4-byte field is extended
  const char* name;
};

const Form* find_form(uint32_t type) noexcept;

// Why a type that is not in the table is refused; `symbol` as it stands in a sentence.
std::string why_unsupported(uint32_t type, const std::string& symbol);

// Writes the field at `place`; false, with nothing written, when the value does not fit into it.
bool apply(const Form& form, std::byte* place, uint64_t target, int64_t addend) noexcept;

}  // namespace fl

#endif  // FLAGOS_BASE_RELOCATION_H_
