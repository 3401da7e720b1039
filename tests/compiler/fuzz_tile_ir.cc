// Any text as a module of tile IR: it is read, verified and, one in sixteen, lowered; or it is refused by one error
// that says where.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "base/error.h"
#include "compiler/lower/kernel/kernel.h"
#include "compiler/ttir/parser.h"
#include "compiler/ttir/printer.h"
#include "compiler/ttir/verifier.h"

namespace {

// Lowering takes ten times as long as reading. Which texts are lowered depends on their content alone.
bool is_lowered(std::string_view text) {
  uint32_t sum = 0;
  for (const char c : text) sum = sum * 31 + static_cast<unsigned char>(c);
  return sum % 16 == 0;
}

// Said at the end: a run whose inputs are all refused proves little.
struct Outcomes {
  uint64_t refused = 0, accepted = 0, lowered = 0;
  ~Outcomes() {
    std::printf("%llu refused by line and column, %llu accepted, %llu of these lowered\n",
                static_cast<unsigned long long>(refused), static_cast<unsigned long long>(accepted),
                static_cast<unsigned long long>(lowered));
  }
} g_outcomes;

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  bool accepted = false;
  try {
    const auto module = fl::ttir::parse(text);
    fl::ttir::verify(*module);
    const std::string printed = fl::ttir::print(*module);
    if (fl::ttir::print(*fl::ttir::parse(printed)) != printed) std::abort();
    accepted = true;
    ++g_outcomes.accepted;
    if (!is_lowered(text)) return 0;
    fl::compiler::lower(*module, fl::compiler::named_target("x86-64-v4"), {});
    ++g_outcomes.lowered;
  } catch (const fl::Error& error) {
    int line = 0;
    int column = 0;
    const bool placed = std::sscanf(error.what(), "line %d, column %d:", &line, &column) == 2 && line > 0 && column > 0;
    const bool refused = error.status() == FL_INVALID_ARGUMENT || error.status() == FL_UNSUPPORTED;
    if (!placed || !refused) std::abort();
    if (!accepted) ++g_outcomes.refused;
  }
  return 0;
}
