// Any bytes as an object: it is loaded whole, or refused by an Error that names it, and its memory is given back. Its
// code is not called.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "base/error.h"
#include "base/object.h"

namespace {

uint64_t resolve(void*, const char* name) {
  return std::string_view(name).starts_with("missing") ? 0 : reinterpret_cast<uint64_t>(&resolve);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    const auto object = fl::Object::load(data, size, "fuzzed", resolve, nullptr);
    if (object->footprint() % 4096 != 0) std::abort();
    object->find("choose");
  } catch (const fl::Error& error) {
    const std::string_view text(error.what());
    const bool refused = error.status() == FL_INVALID_ARGUMENT || error.status() == FL_UNSUPPORTED;
    const bool named =
        text.find("'fuzzed'") != std::string_view::npos || text.find("object of more than") != std::string_view::npos;
    if (!(refused && named) && error.status() != FL_OUT_OF_MEMORY) std::abort();
  }
  return 0;
}
