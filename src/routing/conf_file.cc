// Opens conf files and follows their includes, with limits that keep a mistake from becoming a hang.
#include "routing/conf_file.h"

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "base/error.h"
#include "base/text.h"

namespace fl::routing {
namespace {

// Deep enough for any layout by hand, and the number of files bounds what includes can multiply to.
constexpr size_t kDepthLimit = 16;
constexpr size_t kFileLimit = 256;

std::string normal_path(const std::filesystem::path& path) { return path.lexically_normal().string(); }

struct Reading {
  const std::vector<std::string>& folders;
  const ReadFile& read;
  Conf conf;
  std::vector<std::string> open;  // the files that lead to the present one
  std::string section;

  void take(const std::string& path, const std::string& text) {
    conf.files.push_back(path);
    open.push_back(path);
    for (Statement& statement : parse_conf(text, path)) {
      const Location at{path, statement.line, statement.subject.column};
      switch (statement.kind) {
        case Statement::Kind::kSection:
          section = statement.subject.text;
          conf.sections.push_back({at, section});
          break;
        case Statement::Kind::kChain:
          conf.lines.push_back(
              {at, section, std::move(statement.subject), std::move(statement.chain), std::move(statement.reason)});
          break;
        case Statement::Kind::kInclude:
          include(statement.subject.text, at);
          break;
      }
    }
    open.pop_back();
  }

  void include(const std::string& path, const Location& at) {
    std::vector<std::string> places{std::filesystem::path(at.file).parent_path().string()};
    places.insert(places.end(), folders.begin(), folders.end());
    const std::optional<std::string> found = find_conf_file(path, places, read);
    if (!found) {
      std::string where;
      for (const std::string& place : places) where += (where.empty() ? "" : ", ") + (place.empty() ? "." : place);
      fail_at(at, formatted("the included file '%s' is not there. Looked in: %s.", path.c_str(), where.c_str()));
    }
    for (const std::string& outer : open) {
      if (outer == *found)
        fail_at(at, formatted("'%s' includes itself, directly or through others. Remove this line.", path.c_str()));
    }
    if (open.size() >= kDepthLimit) fail_at(at, formatted("includes are nested more than %zu deep here.", kDepthLimit));
    if (conf.files.size() >= kFileLimit) fail_at(at, formatted("more than %zu files are included in all.", kFileLimit));
    std::optional<std::string> text;
    try {
      text = read(*found);
    } catch (const Error& error) {
      fail_at(at, error.what());
    }
    if (!text) fail_at(at, formatted("the included file '%s' went away while it was read.", found->c_str()));
    take(*found, *text);
  }
};

}  // namespace

std::optional<std::string> read_conf_file(const std::string& path) {
  std::error_code failure;
  const std::filesystem::file_status status = std::filesystem::status(path, failure);
  if (status.type() == std::filesystem::file_type::not_found) return std::nullopt;
  if (failure) fl::fail(FL_INVALID_ARGUMENT, "'%s' cannot be read: %s.", path.c_str(), failure.message().c_str());
  if (status.type() != std::filesystem::file_type::regular) {
    fl::fail(FL_INVALID_ARGUMENT, "'%s' is not a regular file; name a conf file.", path.c_str());
  }
  std::ifstream file(path, std::ios::binary);
  if (!file) fl::fail(FL_INVALID_ARGUMENT, "'%s' cannot be opened: %s.", path.c_str(), std::strerror(errno));
  // One byte more than allowed tells a file that is too large; its size is not asked for, it may change meanwhile.
  std::string text(kConfSizeLimit + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (file.bad()) fl::fail(FL_INVALID_ARGUMENT, "'%s' cannot be read.", path.c_str());
  text.resize(static_cast<size_t>(file.gcount()));
  if (text.size() > kConfSizeLimit) {
    fl::fail(FL_INVALID_ARGUMENT, "'%s' is larger than %zu bytes; is this a conf file?", path.c_str(), kConfSizeLimit);
  }
  return text;
}

std::optional<std::string> find_conf_file(const std::string& path, const std::vector<std::string>& folders,
                                          const ReadFile& read) {
  const auto exists = [&](const std::string& candidate) {
    try {
      return read(candidate).has_value();
    } catch (const Error&) {
      return true;  // it is there; why it cannot be read is told by the one who reads it next
    }
  };
  if (std::filesystem::path(path).is_absolute()) {
    const std::string candidate = normal_path(path);
    return exists(candidate) ? std::optional(candidate) : std::nullopt;
  }
  for (const std::string& folder : folders) {
    const std::string candidate = normal_path(std::filesystem::path(folder) / path);
    if (exists(candidate)) return candidate;
  }
  return std::nullopt;
}

Conf read_conf(const std::string& path, const std::vector<std::string>& folders, const ReadFile& read) {
  const std::optional<std::string> text = read(path);
  if (!text) fl::fail(FL_INVALID_ARGUMENT, "%s: there is no such file.", path.c_str());
  Reading reading{folders, read, {}, {}, {}};
  reading.take(path, *text);
  return std::move(reading.conf);
}

}  // namespace fl::routing
