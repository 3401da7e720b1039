#include "compiler/cache/store.h"

#include <fcntl.h>
#include <pwd.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <string>
#include <system_error>
#include <vector>

#include "base/env.h"
#include "base/error.h"
#include "base/log.h"
#include "base/text.h"

namespace fl::compiler {
namespace {

namespace fs = std::filesystem;

constexpr char kSubfolder[] = "flagos";
constexpr char kSuffix[] = ".flk";

std::string home() {
  if (const char* set = env::text("HOME")) return set;
  std::vector<char> buffer(1 << 14);
  passwd entry{};
  passwd* found = nullptr;
  getpwuid_r(getuid(), &entry, buffer.data(), buffer.size(), &found);
  if (found == nullptr || found->pw_dir == nullptr)
    fail(FL_INTERNAL, "There is no home folder for compiled kernels; set TRITON_CACHE_DIR.");
  return found->pw_dir;
}

class File {
 public:
  File(const fs::path& path, int flags) : descriptor_(open(path.c_str(), flags | O_CLOEXEC, 0644)) {}
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  ~File() {
    if (descriptor_ >= 0) close(descriptor_);
  }
  bool opened() const { return descriptor_ >= 0; }

  bool read_all(std::string* bytes) const {
    char chunk[1 << 14];
    for (;;) {
      const ssize_t got = read(descriptor_, chunk, sizeof chunk);
      if (got == 0) return true;
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return false;
      bytes->append(chunk, static_cast<size_t>(got));
    }
  }

  bool write_all(std::string_view bytes) const {
    while (!bytes.empty()) {
      const ssize_t put = write(descriptor_, bytes.data(), bytes.size());
      if (put < 0 && errno == EINTR) continue;
      if (put < 0) return false;
      bytes.remove_prefix(static_cast<size_t>(put));
    }
    return true;
  }

 private:
  int descriptor_;
};

// A name of this process's and call's own, in the same folder, so that the rename stays within a file system.
fs::path beside(const fs::path& path) {
  static std::atomic<uint64_t> count{0};
  return path.string() + formatted(".%ld.%llu", static_cast<long>(getpid()),
                                   static_cast<unsigned long long>(count.fetch_add(1, std::memory_order_relaxed)));
}

[[noreturn]] void cannot(const char* what, const fs::path& path, int error) {
  fail(FL_INTERNAL,
       "The cache of compiled kernels cannot %s %s: %s. Set TRITON_CACHE_DIR to a folder that can be "
       "written.",
       what, path.c_str(), std::strerror(error));
}

}  // namespace

fs::path cache_folder(const char* folder) {
  if (folder != nullptr && *folder != '\0') return fs::path(folder) / kSubfolder;
  if (const char* named = env::text("TRITON_CACHE_DIR")) return fs::path(named) / kSubfolder;
  return fs::path(home()) / ".triton" / "cache" / kSubfolder;
}

std::optional<fl_compiled> find(const fs::path& folder, const Key& key) {
  const fs::path path = folder / (key.name() + kSuffix);
  const File file(path, O_RDONLY);
  std::string bytes;
  if (!file.opened() || !file.read_all(&bytes)) return std::nullopt;
  try {
    fl_compiled found = from_bytes(bytes);
    if (found.key == key) return found;
  } catch (const Error& error) {
    log(FL_LOG_INFO, "%s is not used: %s", path.c_str(), error.what());
  }
  return std::nullopt;
}

void store(const fs::path& folder, const fl_compiled& compiled) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) cannot("make the folder", folder, error.value());
  const fs::path path = folder / (compiled.key.name() + kSuffix);
  const fs::path temporary = beside(path);
  {
    const File file(temporary, O_WRONLY | O_CREAT | O_EXCL);
    if (!file.opened()) cannot("write", temporary, errno);
    if (!file.write_all(to_bytes(compiled))) {
      const int why = errno;
      unlink(temporary.c_str());
      cannot("write", temporary, why);
    }
  }
  if (rename(temporary.c_str(), path.c_str()) == 0) return;
  const int why = errno;
  unlink(temporary.c_str());
  cannot("write", path, why);
}

}  // namespace fl::compiler
