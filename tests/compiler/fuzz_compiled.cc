// Any bytes as a compiled kernel: those that were written by this build come back the same, all others are refused.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "base/error.h"
#include "base/sha256.h"
#include "compiler/cache/compiled.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  // With a checksum that fits, so that what lies behind it is reached.
  std::string bytes = "FLKERN02" + std::string(reinterpret_cast<const char*>(data), size);
  const fl::Sha256 digest = fl::sha256(bytes);
  for (const std::string& attempt :
       {std::string(reinterpret_cast<const char*>(data), size),
        bytes + std::string(reinterpret_cast<const char*>(digest.data()), digest.size())}) {
    try {
      const fl_compiled compiled = fl::compiler::from_bytes(attempt);
      if (fl::compiler::to_bytes(compiled) != attempt) std::abort();
    } catch (const fl::Error& error) {
      if (error.status() != FL_INVALID_ARGUMENT) std::abort();
    }
  }
  return 0;
}
