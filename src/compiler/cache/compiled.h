// A compiled kernel: object code, what its launch needs, and what it was made from. As bytes it ends in a checksum, and
// what was made by another build or is not whole is refused.
#ifndef FLAGOS_COMPILER_CACHE_COMPILED_H_
#define FLAGOS_COMPILER_CACHE_COMPILED_H_

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace fl::compiler {

// What code depends on. Two kernels of one key are the same kernel.
struct Key {
  std::string version;       // of this library: its build
  std::string target;        // LLVM's name of the CPU with its features
  std::string named_target;  // where it was asked for by name
  std::string ttir;
  std::map<size_t, int64_t> constants;
  uint64_t distance = 0;

  bool operator==(const Key&) const = default;
  // Names a file: 64 hexadecimal digits.
  std::string name() const;
};

struct Argument {
  uint32_t kind = 0;  // as in fl_arg
  uint32_t size = 0;
};

}  // namespace fl::compiler

struct fl_compiled {
  fl::compiler::Key key;
  std::string producer;
  std::string symbol;
  uint64_t scratch_bytes = 0;
  uint64_t stride_arguments = 0;
  uint32_t launch_flags = 0;
  std::vector<fl::compiler::Argument> arguments;
  std::string object;
};

namespace fl::compiler {

// "0.1.0-<build id>".
const std::string& library_version();

std::string to_bytes(const fl_compiled& compiled);
// Throws an Error of FL_INVALID_ARGUMENT that says what is wrong with the bytes.
fl_compiled from_bytes(std::string_view bytes);

}  // namespace fl::compiler

#endif  // FLAGOS_COMPILER_CACHE_COMPILED_H_
