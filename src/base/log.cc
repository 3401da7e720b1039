#include "base/log.h"

#include <unistd.h>

#include <atomic>
#include <cstdarg>
#include <new>
#include <string>

#include "base/env.h"
#include "base/error.h"
#include "base/text.h"

namespace fl {
namespace {

constexpr const char* kLevelNames[] = {"ERROR", "WARNING", "INFO", "DEBUG"};
constexpr const char* kLevelWords[] = {"error", "warning", "info", "debug"};

// Both halves of a sink change together; a replaced one stays, for another thread may be calling it.
struct Sink {
  fl_log_sink call;
  void* context;
  const Sink* older;
};
std::atomic<const Sink*> g_sink{nullptr};

int32_t within_levels(int32_t level) {
  return level < FL_LOG_ERROR ? FL_LOG_ERROR : level > FL_LOG_DEBUG ? FL_LOG_DEBUG : level;
}

void hand_out(int32_t level, const std::string& text) {
  const Sink* sink = g_sink.load(std::memory_order_acquire);
  if (sink != nullptr && sink->call != nullptr) {
    sink->call(sink->context, level, text.c_str());
    return;
  }
  const std::string line = std::string("flagos ") + kLevelNames[level] + ": " + text + "\n";
  // One write a record: lines of several threads and of forked children do not mix. A closed stderr loses the record.
  [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, line.data(), line.size());
}

// The least urgent level that is shown. A wrong FLAGOS_LOG_LEVEL is told once, and the default holds.
int32_t shown_level() {
  try {
    const std::string word = env::text("FLAGOS_LOG_LEVEL");
    for (int32_t level = FL_LOG_ERROR; level <= FL_LOG_DEBUG; ++level) {
      if (word == kLevelWords[level]) return level;
    }
  } catch (const Error& error) {
    static std::atomic<bool> told{false};
    if (!told.exchange(true)) hand_out(FL_LOG_WARNING, error.what());
  }
  return FL_LOG_WARNING;
}

}  // namespace

bool log_enabled(int32_t level) noexcept {
  // Errors and warnings are rare; the others ask this before they form their text.
  try {
    return within_levels(level) <= shown_level();
  } catch (const std::bad_alloc&) {
    return false;
  }
}

void log(int32_t level, const char* format, ...) noexcept {
  if (!log_enabled(level)) return;
  va_list args;
  va_start(args, format);
  try {
    hand_out(within_levels(level), formatted_list(format, args));
  } catch (const std::bad_alloc&) {
    constexpr std::string_view kLost = "flagos ERROR: a log record found no memory\n";
    [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, kLost.data(), kLost.size());
  }
  va_end(args);
}

}  // namespace fl

extern "C" {

void fl_log(int32_t level, const char* text) { fl::log(level, "%s", text); }

void fl_set_log_sink(fl_log_sink sink, void* context) {
  fl::guarded([&] {
    auto* fresh = new fl::Sink{sink, context, fl::g_sink.load(std::memory_order_relaxed)};
    while (!fl::g_sink.compare_exchange_weak(fresh->older, fresh, std::memory_order_acq_rel)) {
    }
  });
}

}  // extern "C"
