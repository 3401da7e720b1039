// Reads a relocatable ELF64 object for x86-64 from memory and checks all that the loader later relies on: every offset,
// index and name that leaves this file is within bounds. It links nothing and allocates no memory for code.
#ifndef FLAGOS_BASE_ELF_FILE_H_
#define FLAGOS_BASE_ELF_FILE_H_

#include <elf.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace fl {

struct ElfSection {
  std::string_view name;
  uint32_t type;                    // SHT_*
  uint64_t flags;                   // SHF_*
  uint64_t size;                    // bytes in memory
  uint64_t align;                   // a power of two, at most a page
  std::span<const std::byte> data;  // `size` bytes of the image; empty for SHT_NOBITS
  bool allocated() const { return (flags & SHF_ALLOC) != 0; }
};

struct ElfSymbol {
  std::string_view name;
  uint64_t value;  // offset in its section; the alignment of a common symbol; the address of an absolute one
  uint64_t size;
  uint16_t section;  // below sections.size(), or SHN_UNDEF, SHN_ABS, SHN_COMMON
  uint8_t type;      // STT_*
  uint8_t binding;   // STB_*
};

struct ElfRelocation {
  size_t section;  // the section whose bytes are changed
  uint64_t offset;
  uint32_t type;  // R_X86_64_*
  size_t symbol;
  int64_t addend;
};

// Views into the image, which must outlive it.
struct ElfFile {
  std::string_view name;  // for messages
  std::span<const std::byte> image;
  uint64_t section_table;  // offset of the section headers in the image
  std::vector<ElfSection> sections;
  std::vector<ElfSymbol> symbols;
  std::vector<ElfRelocation> relocations;  // of allocated sections only; offset + 1 <= the section's size
};

// Throws an Error of FL_INVALID_ARGUMENT (malformed) or FL_UNSUPPORTED (well-formed, but not for this loader).
ElfFile read_elf(std::span<const std::byte> image, std::string_view name);

}  // namespace fl

#endif  // FLAGOS_BASE_ELF_FILE_H_
