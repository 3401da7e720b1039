// Pages for one loaded object: code, constants and data side by side, so that 32-bit displacements reach between them.
// Until seal() all of it is writable and nothing executable; afterwards code is executable, constants are read-only,
// and nothing is ever both writable and executable.
#ifndef FLAGOS_BASE_CODE_MEMORY_H_
#define FLAGOS_BASE_CODE_MEMORY_H_

#include <cstddef>

namespace fl {

class CodeMemory {
 public:
  // Sizes in bytes; each part is rounded up to pages and zeroed. `low` asks for the first 2 GiB of the address space,
  // for code that has 32-bit absolute addresses. FL_OUT_OF_MEMORY when the system gives none.
  CodeMemory(size_t code, size_t constants, size_t data, bool low);
  ~CodeMemory();
  CodeMemory(const CodeMemory&) = delete;
  CodeMemory& operator=(const CodeMemory&) = delete;

  std::byte* code() const noexcept { return base_; }
  std::byte* constants() const noexcept { return base_ + code_; }
  std::byte* data() const noexcept { return base_ + code_ + constants_; }
  size_t size() const noexcept { return code_ + constants_ + data_; }

  // FL_INTERNAL when the system forbids executable pages.
  void seal();

 private:
  size_t code_, constants_, data_;
  std::byte* base_ = nullptr;
};

}  // namespace fl

#endif  // FLAGOS_BASE_CODE_MEMORY_H_
