#include "base/build_id.h"

#include <elf.h>
#include <link.h>

#include <cstring>

#include "base/error.h"
#include "base/text.h"

namespace fl {
namespace {

struct Search {
  uintptr_t inside;  // an address of the code whose id is wanted
  std::string id;
};

bool holds(const dl_phdr_info& object, uintptr_t address) {
  for (int i = 0; i < object.dlpi_phnum; ++i) {
    const ElfW(Phdr)& segment = object.dlpi_phdr[i];
    const uintptr_t start = object.dlpi_addr + segment.p_vaddr;
    if (segment.p_type == PT_LOAD && address >= start && address - start < segment.p_memsz) return true;
  }
  return false;
}

// The notes lie in memory one behind another: a header, a name and the content, each rounded up to 4 bytes.
void read_notes(const dl_phdr_info& object, const ElfW(Phdr) & segment, std::string* id) {
  const auto* note = reinterpret_cast<const char*>(object.dlpi_addr + segment.p_vaddr);
  const char* const end = note + segment.p_memsz;
  while (note + sizeof(ElfW(Nhdr)) <= end) {
    ElfW(Nhdr) header;
    std::memcpy(&header, note, sizeof header);
    const char* const name = note + sizeof header;
    const char* const content = name + ((header.n_namesz + 3u) & ~3u);
    if (header.n_type == NT_GNU_BUILD_ID && header.n_namesz == 4 && std::memcmp(name, "GNU", 4) == 0) {
      for (uint32_t i = 0; i < header.n_descsz; ++i) *id += formatted("%02x", static_cast<unsigned char>(content[i]));
      return;
    }
    note = content + ((header.n_descsz + 3u) & ~3u);
  }
}

int visit(dl_phdr_info* object, size_t, void* context) {
  auto* const search = static_cast<Search*>(context);
  if (!holds(*object, search->inside)) return 0;
  for (int i = 0; i < object->dlpi_phnum && search->id.empty(); ++i)
    if (object->dlpi_phdr[i].p_type == PT_NOTE) read_notes(*object, object->dlpi_phdr[i], &search->id);
  return 1;
}

}  // namespace

const std::string& build_id() {
  static const std::string* const id = [] {
    Search search{reinterpret_cast<uintptr_t>(&build_id), {}};
    dl_iterate_phdr(visit, &search);
    if (search.id.empty())
      fail(FL_INTERNAL, "This library carries no build id; link it with -Wl,--build-id, as its CMakeLists.txt does.");
    return new std::string(search.id);
  }();
  return *id;
}

}  // namespace fl
