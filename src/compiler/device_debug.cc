#include "compiler/device_debug.h"

#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <mutex>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/text.h"
#include "compiler/ttir/float_bits.h"
#include "compiler/ttir/type.h"
#include "flagos/compiler.h"

namespace fl::compiler {
namespace {

struct Assertion {
  std::mutex mutex;
  std::atomic<bool> failed{false};
  std::string text;  // of the first that failed
};

// Never destroyed: kernels may run while the process ends.
Assertion& assertion() {
  static auto* const instance = new Assertion;
  return *instance;
}

// Unbuffered, so that lines of one block stay together and what a kernel printed before a crash is there.
void write_out(std::string_view text) {
  while (!text.empty()) {
    const ssize_t put = write(STDOUT_FILENO, text.data(), text.size());
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) return;  // nobody listens
    text.remove_prefix(static_cast<size_t>(put));
  }
}

std::string element_text(const char* data, PrintKind kind, int32_t size) {
  uint64_t bits = 0;
  std::memcpy(&bits, data, static_cast<size_t>(size));
  const auto number = [&](ttir::Scalar scalar) { return formatted("%.9g", ttir::float_value(bits, scalar)); };
  switch (kind) {
    case PrintKind::kUnsigned:
      return std::to_string(bits);
    case PrintKind::kSigned:
      return std::to_string(ttir::sign_extended(bits, 8 * size));
    case PrintKind::kPointer:
      return formatted("0x%llx", static_cast<unsigned long long>(bits));
    case PrintKind::kF8E4M3:
      return number(ttir::Scalar::kF8E4M3);
    case PrintKind::kF8E5M2:
      return number(ttir::Scalar::kF8E5M2);
    case PrintKind::kF16:
      return number(ttir::Scalar::kF16);
    case PrintKind::kBF16:
      return number(ttir::Scalar::kBF16);
    case PrintKind::kF32:
      return number(ttir::Scalar::kF32);
    case PrintKind::kF64:
      return formatted("%.17g", ttir::float_value(bits, ttir::Scalar::kF64));
  }
  return "";
}

void print(const char* prefix, const char* data, uint64_t count, int32_t kind, int32_t size, int32_t x, int32_t y,
           int32_t z) {
  std::string text;
  for (uint64_t i = 0; i < count; ++i) {
    text += formatted("pid (%d, %d, %d) idx (%llu)%s", x, y, z, static_cast<unsigned long long>(i), prefix);
    text += element_text(data + i * static_cast<uint64_t>(size), static_cast<PrintKind>(kind), size) + "\n";
  }
  if (count == 0) text = formatted("pid (%d, %d, %d)%s\n", x, y, z, prefix);
  write_out(text);
}

int32_t check(const char* message, const char* data, uint64_t count, int32_t x, int32_t y, int32_t z) {
  const auto* const zero = static_cast<const char*>(std::memchr(data, 0, count));
  if (zero == nullptr) return 0;
  Assertion& first = assertion();
  const std::lock_guard lock(first.mutex);
  if (!first.failed.load(std::memory_order_relaxed)) {
    first.text = formatted("an assertion failed in a kernel: %s, in program (%d, %d, %d), element %td of the block",
                           message, x, y, z, zero - data);
    first.failed.store(true, std::memory_order_release);
  }
  return 1;
}

}  // namespace

uint64_t device_function(const char* name) {
  if (std::strcmp(name, "fl_device_print") == 0) return reinterpret_cast<uint64_t>(&print);
  if (std::strcmp(name, "fl_device_assert") == 0) return reinterpret_cast<uint64_t>(&check);
  return 0;
}

}  // namespace fl::compiler

fl_status fl_compiler_failed_assertion(void) {
  fl::compiler::Assertion& first = fl::compiler::assertion();
  if (!first.failed.load(std::memory_order_acquire)) [[likely]]
    return FL_OK;
  return fl::guarded([&] {
    const std::lock_guard lock(first.mutex);
    first.failed.store(false, std::memory_order_relaxed);
    fl::fail(FL_INTERNAL, "%s", first.text.c_str());
  });
}
