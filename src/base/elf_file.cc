#include "base/elf_file.h"

#include <bit>
#include <cstring>
#include <string>

#include "base/error.h"

namespace fl {
namespace {

constexpr uint64_t kLargestAlign = 4096;                 // what a page-aligned mapping can promise
constexpr uint64_t kLargestSection = uint64_t{1} << 28;  // 256 MiB; a kernel has kilobytes

class Reader {
 public:
  Reader(std::span<const std::byte> image, std::string_view name) : file_{name, image, 0, {}, {}, {}} {}

  ElfFile read() {
    read_header();
    read_sections();
    for (size_t index = 0; index < headers_.size(); ++index) {
      if (headers_[index].sh_type == SHT_SYMTAB) read_symbols(index);
    }
    for (size_t index = 0; index < headers_.size(); ++index) {
      if (headers_[index].sh_type == SHT_RELA || headers_[index].sh_type == SHT_REL) read_relocations(index);
    }
    return std::move(file_);
  }

 private:
  [[noreturn]] void malformed(const std::string& what) const {
    fail(FL_INVALID_ARGUMENT, "The object '%.*s' (%zu bytes) is malformed: %s. Compile it again.",
         static_cast<int>(file_.name.size()), file_.name.data(), file_.image.size(), what.c_str());
  }
  [[noreturn]] void unsupported(const std::string& what) const {
    fail(FL_UNSUPPORTED, "The object '%.*s' cannot be loaded: %s.", static_cast<int>(file_.name.size()),
         file_.name.data(), what.c_str());
  }

  // A copy of the T at `offset`: the image need not be aligned.
  template <class T>
  T at(uint64_t offset, const char* what) const {
    T value;
    std::memcpy(&value, bytes(offset, sizeof(T), what).data(), sizeof(T));
    return value;
  }

  std::span<const std::byte> bytes(uint64_t offset, uint64_t size, const std::string& what) const {
    if (offset > file_.image.size() || size > file_.image.size() - offset) malformed(what + " lies beyond its end");
    return file_.image.subspan(offset, size);
  }

  // The text at `offset` of the string table in section `table`.
  std::string_view text(uint64_t table, uint64_t offset, const char* what) const {
    if (table >= headers_.size() || headers_[table].sh_type != SHT_STRTAB)
      malformed(std::string(what) + " has no string table");
    const auto strings = bytes(headers_[table].sh_offset, headers_[table].sh_size, "a string table");
    if (offset >= strings.size()) malformed(std::string(what) + " has a name beyond its string table");
    const auto rest = strings.subspan(offset);
    const void* end = std::memchr(rest.data(), 0, rest.size());
    if (end == nullptr) malformed(std::string(what) + " has a name without an end");
    const char* first = reinterpret_cast<const char*>(rest.data());
    return {first, static_cast<size_t>(static_cast<const char*>(end) - first)};
  }

  void read_header() {
    const auto header = at<Elf64_Ehdr>(0, "the ELF header");
    if (std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0) malformed("it does not begin as an ELF file");
    if (header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_ident[EI_DATA] != ELFDATA2LSB ||
        header.e_machine != EM_X86_64) {
      unsupported("it is not for x86-64; compile it for this processor");
    }
    if (header.e_type != ET_REL) unsupported("it is not a relocatable object; compile with -c");
    if (header.e_shentsize != sizeof(Elf64_Shdr)) malformed("its section headers have an unknown size");
    if (header.e_shnum == 0 || header.e_shnum >= SHN_LORESERVE) unsupported("it has no sections, or more than 65279");
    if (header.e_shstrndx >= header.e_shnum) malformed("its table of section names is none of its sections");
    file_.section_table = header.e_shoff;
    names_ = header.e_shstrndx;
    const uint64_t size = uint64_t{header.e_shnum} * sizeof(Elf64_Shdr);
    const auto table = bytes(header.e_shoff, size, "the section table");
    headers_.resize(header.e_shnum);
    std::memcpy(headers_.data(), table.data(), table.size());
  }

  void read_sections() {
    for (const Elf64_Shdr& header : headers_) {
      ElfSection section{
          "", header.sh_type, header.sh_flags, header.sh_size, std::max<uint64_t>(header.sh_addralign, 1), {}};
      if (header.sh_type == SHT_NULL) section.flags = section.size = 0;
      if (header.sh_type != SHT_NULL) section.name = text(names_, header.sh_name, "a section");
      if (section.allocated()) {
        check_allocated(section);
        if (header.sh_type != SHT_NOBITS) {
          section.data = bytes(header.sh_offset, header.sh_size, "section " + std::string(section.name));
        }
      }
      file_.sections.push_back(section);
    }
  }

  void check_allocated(const ElfSection& section) const {
    const std::string name(section.name);
    if (!std::has_single_bit(section.align) || section.align > kLargestAlign) {
      unsupported("section " + name + " is aligned to " + std::to_string(section.align) +
                  " bytes, where a power of two up to 4096 is");
    }
    if (section.size > kLargestSection) unsupported("section " + name + " is larger than 256 MiB");
    if ((section.flags & SHF_TLS) != 0)
      unsupported("section " + name + " holds thread-local variables; compile without them");
    if ((section.flags & SHF_COMPRESSED) != 0)
      unsupported("section " + name + " is compressed; compile without compression");
    if ((section.flags & SHF_WRITE) != 0 && (section.flags & SHF_EXECINSTR) != 0) {
      unsupported("section " + name + " is writable and executable at once; separate code from data");
    }
    if (section.type == SHT_INIT_ARRAY || section.type == SHT_FINI_ARRAY || section.type == SHT_PREINIT_ARRAY) {
      unsupported("section " + name + " runs code at load; compile without static constructors");
    }
  }

  void read_symbols(size_t index) {
    if (symbol_table_ != 0) malformed("it has two symbol tables");
    symbol_table_ = index;
    const Elf64_Shdr& header = headers_[index];
    if (header.sh_entsize != sizeof(Elf64_Sym)) malformed("its symbols have an unknown size");
    const auto table = bytes(header.sh_offset, header.sh_size, "the symbol table");
    const size_t count = table.size() / sizeof(Elf64_Sym);
    file_.symbols.reserve(count);
    for (size_t number = 0; number < count; ++number) {
      Elf64_Sym raw;
      std::memcpy(&raw, table.data() + number * sizeof raw, sizeof raw);
      file_.symbols.push_back(symbol(raw, header.sh_link));
    }
  }

  ElfSymbol symbol(const Elf64_Sym& raw, uint64_t strings) const {
    ElfSymbol symbol{"",
                     raw.st_value,
                     raw.st_size,
                     raw.st_shndx,
                     static_cast<uint8_t>(ELF64_ST_TYPE(raw.st_info)),
                     static_cast<uint8_t>(ELF64_ST_BIND(raw.st_info))};
    if (raw.st_name != 0) symbol.name = text(strings, raw.st_name, "a symbol");
    const bool special = raw.st_shndx == SHN_UNDEF || raw.st_shndx == SHN_ABS || raw.st_shndx == SHN_COMMON;
    if (special) {
      if (raw.st_shndx == SHN_COMMON) check_common(symbol);
    } else if (raw.st_shndx >= file_.sections.size()) {
      malformed("symbol '" + std::string(symbol.name) + "' is in a section that does not exist");
    } else if (file_.sections[raw.st_shndx].allocated()) {
      const uint64_t room = file_.sections[raw.st_shndx].size;
      if (symbol.value > room || symbol.size > room - symbol.value) {
        malformed("symbol '" + std::string(symbol.name) + "' reaches beyond its section");
      }
    }
    return symbol;
  }

  void check_common(const ElfSymbol& symbol) const {
    if (symbol.size > kLargestSection) unsupported("symbol '" + std::string(symbol.name) + "' is larger than 256 MiB");
    if (!std::has_single_bit(symbol.value) || symbol.value > kLargestAlign) {
      unsupported("symbol '" + std::string(symbol.name) + "' is aligned to no power of two up to 4096");
    }
  }

  void read_relocations(size_t index) {
    const Elf64_Shdr& header = headers_[index];
    const uint64_t target = header.sh_info;
    if (target >= file_.sections.size()) malformed("relocations are for a section that does not exist");
    const ElfSection& section = file_.sections[target];
    if (!section.allocated()) return;  // debug information; gdb relocates its own copy
    const std::string of = "a relocation of section " + std::string(section.name);
    if (header.sh_type == SHT_REL) unsupported(of + " has no addend, which x86-64 objects do not use");
    if (header.sh_entsize != sizeof(Elf64_Rela)) malformed(of + " has an unknown size");
    if (symbol_table_ == 0 || header.sh_link != symbol_table_) malformed(of + " has no symbol table");
    const auto table =
        bytes(header.sh_offset, header.sh_size, "the table of relocations of " + std::string(section.name));
    const size_t count = table.size() / sizeof(Elf64_Rela);
    for (size_t number = 0; number < count; ++number) {
      Elf64_Rela raw;
      std::memcpy(&raw, table.data() + number * sizeof raw, sizeof raw);
      const ElfRelocation relocation{target, raw.r_offset, static_cast<uint32_t>(ELF64_R_TYPE(raw.r_info)),
                                     ELF64_R_SYM(raw.r_info), raw.r_addend};
      if (relocation.offset >= section.data.size()) malformed(of + " is outside of the section");
      if (relocation.symbol >= file_.symbols.size()) malformed(of + " names a symbol that does not exist");
      file_.relocations.push_back(relocation);
    }
  }

  ElfFile file_;
  std::vector<Elf64_Shdr> headers_;
  uint64_t names_ = 0;
  size_t symbol_table_ = 0;  // section 0 is never one
};

}  // namespace

ElfFile read_elf(std::span<const std::byte> image, std::string_view name) { return Reader(image, name).read(); }

}  // namespace fl
