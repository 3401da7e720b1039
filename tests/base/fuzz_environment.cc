// Any bytes as an environment: lines NAME=VALUE. Each declared variable either has a value of its type or is refused by
// an Error that names it.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "base/env_snapshot.h"
#include "base/env_value.h"
#include "base/error.h"
#include "base/text.h"

namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

void read_all(const fl::env::Snapshot& snapshot) {
  for (const fl::env::Variable& variable : fl::env::table()) {
    const std::string_view name(variable.name);
    if (name.ends_with('*')) {
      for (const auto& [member, value] : snapshot.family(name)) require(!member.empty() && !value.empty());
      continue;
    }
    try {
      const char* text = snapshot.value(name);
      require(text == nullptr || *text != '\0');
    } catch (const fl::Error& error) {
      require(error.status() == FL_INVALID_ARGUMENT && snapshot.raw(name) != nullptr);
      require(std::string_view(error.what()).starts_with(name));
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fl::env::Settings settings;
  std::string text(reinterpret_cast<const char*>(data), size);
  std::replace(text.begin(), text.end(), '\0', '?');  // an environment has C strings
  for (const std::string_view line : fl::split(text, '\n')) {
    const size_t equals = line.find('=');
    if (equals != std::string_view::npos) settings.emplace_back(line.substr(0, equals), line.substr(equals + 1));
  }
  const fl::env::Snapshot snapshot(settings);
  for (const std::string& warning : snapshot.unknown()) require(warning.find("FLAGOS_") != std::string::npos);
  read_all(snapshot);
  return 0;
}
