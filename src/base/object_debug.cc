#include "base/object_debug.h"

#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

#include <mutex>

#include "base/env.h"
#include "base/error.h"
#include "base/log.h"
#include "base/text.h"

// gdb's interface for code made at run time (the GDB manual, "JIT Compilation Interface"): gdb finds these two symbols
// by name, stops in the function and walks the list. The layout is gdb's.
extern "C" {

struct jit_code_entry {
  jit_code_entry* next_entry;
  jit_code_entry* prev_entry;
  const char* symfile_addr;
  uint64_t symfile_size;
};

struct jit_descriptor {
  uint32_t version;
  uint32_t action_flag;  // 0 nothing, 1 register, 2 unregister
  jit_code_entry* relevant_entry;
  jit_code_entry* first_entry;
};

__attribute__((used)) jit_descriptor __jit_debug_descriptor = {1, 0, nullptr, nullptr};

__attribute__((noinline, used)) void __jit_debug_register_code(void) { asm volatile("" ::: "memory"); }

// libgcc's.
void __register_frame(void* begin);
void __deregister_frame(void* begin);

}  // extern "C"

namespace fl {
namespace {

// Guards gdb's list. A fork waits for it, so that the child finds it free.
std::mutex& list_mutex() {
  static std::mutex* const mutex = [] {
    static auto* made = new std::mutex;
    pthread_atfork([] { made->lock(); }, [] { made->unlock(); }, [] { made->unlock(); });
    return made;
  }();
  return *mutex;
}

void tell_gdb(uint32_t action, jit_code_entry* entry) {
  __jit_debug_descriptor.action_flag = action;
  __jit_debug_descriptor.relevant_entry = entry;
  __jit_debug_register_code();
  __jit_debug_descriptor.action_flag = 0;
  __jit_debug_descriptor.relevant_entry = nullptr;
}

bool perf_map_wanted() noexcept {
  try {
    return env::flag("FLAGOS_PERF_MAP");
  } catch (const Error& error) {
    log(FL_LOG_WARNING, "%s No perf map is written.", error.what());
    return false;
  }
}

}  // namespace

void tell_perf(const void* address, size_t size, std::string_view name) noexcept {
  if (!perf_map_wanted()) return;
  std::string line =
      formatted("%zx %zx %.*s", reinterpret_cast<size_t>(address), size, static_cast<int>(name.size()), name.data());
  for (char& c : line) c = c == '\n' ? ' ' : c;
  // Opened anew each time: a forked child has a map of its own.
  const std::string path = formatted("/tmp/perf-%d.map", static_cast<int>(getpid()));
  const int file = open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0644);
  if (file < 0) return;
  line += '\n';
  [[maybe_unused]] const ssize_t written = write(file, line.data(), line.size());
  close(file);
}

struct GdbEntry::Node {
  jit_code_entry entry;
  std::vector<std::byte> image;
};

GdbEntry::GdbEntry(std::vector<std::byte> image) : node_(new Node{{}, std::move(image)}) {
  node_->entry.symfile_addr = reinterpret_cast<const char*>(node_->image.data());
  node_->entry.symfile_size = node_->image.size();
  const std::lock_guard<std::mutex> lock(list_mutex());
  node_->entry.next_entry = __jit_debug_descriptor.first_entry;
  if (node_->entry.next_entry != nullptr) node_->entry.next_entry->prev_entry = &node_->entry;
  __jit_debug_descriptor.first_entry = &node_->entry;
  tell_gdb(1, &node_->entry);
}

GdbEntry::~GdbEntry() {
  {
    const std::lock_guard<std::mutex> lock(list_mutex());
    jit_code_entry* next = node_->entry.next_entry;
    jit_code_entry* previous = node_->entry.prev_entry;
    if (next != nullptr) next->prev_entry = previous;
    (previous != nullptr ? previous->next_entry : __jit_debug_descriptor.first_entry) = next;
    tell_gdb(2, &node_->entry);
  }
  delete node_;
}

UnwindEntry::UnwindEntry(std::span<const std::byte> frames) {
  if (!well_formed_frames(frames)) return;
  registered_ = frames.data();
  __register_frame(const_cast<std::byte*>(registered_));
}

UnwindEntry::~UnwindEntry() {
  if (registered_ != nullptr) __deregister_frame(const_cast<std::byte*>(registered_));
}

}  // namespace fl
