#include "base/object.h"

#include <cstring>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/code_memory.h"
#include "base/elf_file.h"
#include "base/error.h"
#include "base/object_debug.h"
#include "base/relocation.h"

namespace fl {
namespace {

constexpr size_t kStubSize = 8;  // jmp *got(%rip), 6 bytes, and 2 of padding
constexpr size_t kEntrySize = 8;
constexpr size_t kFramesEnd = 8;              // zero bytes behind .eh_frame, which stop the unwinder
constexpr size_t kLargest = size_t{1} << 30;  // of each part; keeps 32-bit displacements between the parts in reach

enum Part { kCode, kConstants, kData };

struct Slot {
  Part part = kConstants;
  size_t offset = 0;
};

// One part of the memory while it is being laid out.
struct Layout {
  size_t size = 0;
  size_t add(size_t bytes, size_t align) {
    const size_t offset = (size + align - 1) / align * align;
    size = offset + bytes;
    if (size > kLargest) fail(FL_UNSUPPORTED, "An object of more than 1 GiB cannot be loaded; make it smaller.");
    return offset;
  }
};

class LoadedObject final : public Object {
 public:
  explicit LoadedObject(std::unique_ptr<CodeMemory> memory) : memory_(std::move(memory)) {}

  void* find(std::string_view symbol) const noexcept override {
    const auto found = symbols_.find(symbol);
    return found == symbols_.end() ? nullptr : found->second;
  }
  size_t footprint() const noexcept override { return memory_->size(); }

  void add_symbol(std::string_view name, void* address) { symbols_.emplace(name, address); }
  void show_to_gdb(std::vector<std::byte> image) { gdb_.emplace(std::move(image)); }
  void register_frames(std::span<const std::byte> frames) { unwind_.push_back(std::make_unique<UnwindEntry>(frames)); }

 private:
  std::unique_ptr<CodeMemory> memory_;  // goes last: the entries below point into it
  std::map<std::string, void*, std::less<>> symbols_;
  std::optional<GdbEntry> gdb_;
  std::vector<std::unique_ptr<UnwindEntry>> unwind_;
};

class Linker {
 public:
  Linker(ElfFile file, fl_symbol_resolver resolver, void* context)
      : file_(std::move(file)),
        resolver_(resolver),
        context_(context),
        slots_(file_.sections.size()),
        symbols_(file_.symbols.size()) {}

  std::unique_ptr<Object> link() {
    lay_out();
    auto memory = std::make_unique<CodeMemory>(parts_[kCode].size, parts_[kConstants].size, parts_[kData].size, low_);
    memory_ = memory.get();
    copy_sections();
    resolve_symbols();
    for (const ElfRelocation& relocation : file_.relocations) relocate(relocation);
    memory->seal();
    auto object = std::make_unique<LoadedObject>(std::move(memory));
    publish(*object);
    return object;
  }

 private:
  struct Symbol {
    bool used = false;             // a relocation needs its address
    std::optional<size_t> entry;   // in the table of addresses, an offset in kConstants
    std::optional<size_t> stub;    // an offset in kCode
    std::optional<size_t> common;  // an offset in kData
    uint64_t address = 0;
  };

  std::string quoted(const ElfSymbol& symbol) const {
    return symbol.name.empty() ? "a nameless symbol" : "symbol '" + std::string(symbol.name) + "'";
  }
  int name_size() const { return static_cast<int>(file_.name.size()); }

  std::byte* part(Part part) const {
    return part == kCode ? memory_->code() : part == kConstants ? memory_->constants() : memory_->data();
  }
  std::byte* section(size_t index) const { return part(slots_[index].part) + slots_[index].offset; }

  void lay_out() {
    for (size_t index = 0; index < file_.sections.size(); ++index) {
      const ElfSection& section = file_.sections[index];
      if (!section.allocated()) continue;
      const Part part = (section.flags & SHF_EXECINSTR) != 0 ? kCode
                        : (section.flags & SHF_WRITE) != 0   ? kData
                                                             : kConstants;
      const size_t tail = section.name == ".eh_frame" ? kFramesEnd : 0;
      slots_[index] = {part, parts_[part].add(section.size + tail, section.align)};
    }
    for (const ElfRelocation& relocation : file_.relocations) {
      const Form* form = find_form(relocation.type);
      if (form == nullptr) refuse_type(relocation);
      if (form->kind == Form::kNothing) continue;
      const ElfSymbol& target = file_.symbols[relocation.symbol];
      Symbol& symbol = symbols_[relocation.symbol];
      symbol.used = true;
      const bool far = target.section == SHN_UNDEF && form->kind == Form::kCall;
      if (form->kind == Form::kEntry || far) {
        if (!symbol.entry) symbol.entry = parts_[kConstants].add(kEntrySize, kEntrySize);
      }
      if (far && !symbol.stub) symbol.stub = parts_[kCode].add(kStubSize, kStubSize);
      if (form->kind == Form::kAbsolute && form->width == 4) low_ = true;
    }
    for (size_t index = 0; index < file_.symbols.size(); ++index) {
      const ElfSymbol& symbol = file_.symbols[index];
      if (symbol.section == SHN_COMMON) symbols_[index].common = parts_[kData].add(symbol.size, symbol.value);
    }
  }

  void copy_sections() {
    for (size_t index = 0; index < file_.sections.size(); ++index) {
      const auto data = file_.sections[index].data;
      if (!data.empty()) std::memcpy(section(index), data.data(), data.size());
    }
  }

  void resolve_symbols() {
    for (size_t index = 0; index < symbols_.size(); ++index) {
      Symbol& symbol = symbols_[index];
      const ElfSymbol& from = file_.symbols[index];
      const bool defined = from.section != SHN_UNDEF;
      if (!symbol.used && !defined) continue;
      symbol.address = address_of(from, symbol);
      if (symbol.entry) std::memcpy(part(kConstants) + *symbol.entry, &symbol.address, kEntrySize);
      if (symbol.stub) write_stub(symbol);
    }
  }

  // 0 for a symbol that nothing needs and that has no address here (in debug information, of a file).
  uint64_t address_of(const ElfSymbol& from, const Symbol& symbol) const {
    if (symbol.used && (from.type == STT_TLS || from.type == STT_GNU_IFUNC)) {
      fail(FL_UNSUPPORTED, "The object '%.*s' cannot be loaded: %s is %s; compile without it.", name_size(),
           file_.name.data(), quoted(from).c_str(),
           from.type == STT_TLS ? "a thread-local variable" : "chosen at load by an indirect function");
    }
    if (from.section == SHN_UNDEF) return external(from);
    if (from.section == SHN_ABS) return from.value;
    if (from.section == SHN_COMMON) return reinterpret_cast<uint64_t>(part(kData) + *symbol.common);
    if (file_.sections[from.section].allocated()) return reinterpret_cast<uint64_t>(section(from.section)) + from.value;
    if (!symbol.used) return 0;
    fail(FL_INVALID_ARGUMENT,
         "The object '%.*s' is malformed: code uses %s of section %.*s, which is not loaded. Compile it again.",
         name_size(), file_.name.data(), quoted(from).c_str(),
         static_cast<int>(file_.sections[from.section].name.size()), file_.sections[from.section].name.data());
  }

  uint64_t external(const ElfSymbol& from) const {
    const std::string name(from.name);
    const uint64_t address = resolver_ == nullptr || name.empty() ? 0 : resolver_(context_, name.c_str());
    if (address == 0 && from.binding != STB_WEAK) {
      fail(FL_UNSUPPORTED, "The object '%.*s' cannot be loaded: it needs %s, which nothing here provides.", name_size(),
           file_.name.data(), quoted(from).c_str());
    }
    return address;
  }

  void write_stub(const Symbol& symbol) const {
    std::byte* stub = part(kCode) + *symbol.stub;
    const auto next = reinterpret_cast<int64_t>(stub) + 6;
    const auto distance = static_cast<int32_t>(reinterpret_cast<int64_t>(part(kConstants) + *symbol.entry) - next);
    const unsigned char jump[2] = {0xff, 0x25};
    std::memcpy(stub, jump, sizeof jump);
    std::memcpy(stub + sizeof jump, &distance, sizeof distance);
  }

  void relocate(const ElfRelocation& relocation) const {
    const Form& form = *find_form(relocation.type);
    if (form.kind == Form::kNothing) return;
    const Symbol& symbol = symbols_[relocation.symbol];
    if (relocation.offset + form.width > file_.sections[relocation.section].size) {
      fail(FL_INVALID_ARGUMENT,
           "The object '%.*s' is malformed: a relocation reaches beyond its section. Compile it again.", name_size(),
           file_.name.data());
    }
    std::byte* place = section(relocation.section) + relocation.offset;
    uint64_t target = symbol.address;
    if (form.kind == Form::kEntry) target = reinterpret_cast<uint64_t>(part(kConstants) + *symbol.entry);
    if (apply(form, place, target, relocation.addend)) return;
    if (symbol.stub && apply(form, place, reinterpret_cast<uint64_t>(part(kCode) + *symbol.stub), relocation.addend))
      return;
    fail(FL_UNSUPPORTED,
         "The object '%.*s' cannot be loaded: %s is too far away for a %s relocation; compile with -fPIC.", name_size(),
         file_.name.data(), quoted(file_.symbols[relocation.symbol]).c_str(), form.name);
  }

  [[noreturn]] void refuse_type(const ElfRelocation& relocation) const {
    const ElfSymbol& symbol = file_.symbols[relocation.symbol];
    fail(FL_UNSUPPORTED, "The object '%.*s' cannot be loaded: %s.", name_size(), file_.name.data(),
         why_unsupported(relocation.type, quoted(symbol)).c_str());
  }

  void publish(LoadedObject& object) {
    for (size_t index = 0; index < file_.symbols.size(); ++index) {
      const ElfSymbol& symbol = file_.symbols[index];
      const uint64_t address = symbols_[index].address;
      if (address == 0 || symbol.section == SHN_UNDEF || symbol.name.empty()) continue;
      if (symbol.binding != STB_LOCAL) object.add_symbol(symbol.name, reinterpret_cast<void*>(address));
      if (symbol.type == STT_FUNC) tell_perf(reinterpret_cast<void*>(address), symbol.size, symbol.name);
    }
    std::vector<std::byte> image(file_.image.begin(), file_.image.end());
    for (size_t index = 0; index < file_.sections.size(); ++index) {
      if (!file_.sections[index].allocated()) continue;
      const auto address = reinterpret_cast<uint64_t>(section(index));
      const size_t header = file_.section_table + index * sizeof(Elf64_Shdr);
      std::memcpy(image.data() + header + offsetof(Elf64_Shdr, sh_addr), &address, sizeof address);
      if (file_.sections[index].name == ".eh_frame")
        object.register_frames({section(index), file_.sections[index].size});
    }
    object.show_to_gdb(std::move(image));
  }

  ElfFile file_;
  fl_symbol_resolver resolver_;
  void* context_;
  std::vector<Slot> slots_;
  std::vector<Symbol> symbols_;
  Layout parts_[3];
  bool low_ = false;
  CodeMemory* memory_ = nullptr;
};

}  // namespace

std::unique_ptr<Object> Object::load(const void* image, size_t size, std::string_view name, fl_symbol_resolver resolver,
                                     void* resolver_context) {
  if (image == nullptr && size != 0)
    fail(FL_INVALID_ARGUMENT, "The object '%.*s' has no bytes.", static_cast<int>(name.size()), name.data());
  ElfFile file = read_elf({static_cast<const std::byte*>(image), size}, name);
  return Linker(std::move(file), resolver, resolver_context).link();
}

}  // namespace fl
