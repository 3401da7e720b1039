// Loads a relocatable ELF object for x86-64 into this process: memory, relocations, symbols. No linker, no file.
//
// The image may be anything: each malformed, truncated or unsupported input is an Error of FL_INVALID_ARGUMENT or
// FL_UNSUPPORTED that says where and why. What a well-formed image's code does when called is the caller's business.
// Pages are written first and made executable then, never both. The parts: elf_file reads, object links, code_memory
// holds the pages, object_debug tells perf, gdb and the unwinder.
#ifndef FLAGOS_BASE_OBJECT_H_
#define FLAGOS_BASE_OBJECT_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include "flagos/hal.h"

namespace fl {

class Object {
 public:
  // `name` is what perf and gdb show. `resolver` (may be null) gives the addresses of symbols that the image leaves
  // open; it is called during load only. The image is copied where needed and may go after the call. Any thread.
  static std::unique_ptr<Object> load(const void* image, size_t size, std::string_view name,
                                      fl_symbol_resolver resolver, void* resolver_context);
  // Unloads: no code of it may run, and no address of it may be used, any more.
  virtual ~Object() = default;
  Object(const Object&) = delete;
  Object& operator=(const Object&) = delete;

  // The address of a global symbol (function or data), nullptr when the object defines none of that name.
  virtual void* find(std::string_view symbol) const noexcept = 0;
  // Bytes of address space that it takes, a whole number of pages.
  virtual size_t footprint() const noexcept = 0;

 protected:
  Object() = default;
};

}  // namespace fl

#endif  // FLAGOS_BASE_OBJECT_H_
