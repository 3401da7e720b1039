// Reads environment and files in the order of their priority.
#include "routing/settings.h"

#include <filesystem>

#include "base/env.h"
#include "base/error.h"
#include "base/text.h"

namespace fl::routing {
namespace {

std::string working_folder() {
  std::error_code failure;
  const std::filesystem::path folder = std::filesystem::current_path(failure);
  return failure ? "." : folder.string();
}

// The folder that holds the package, then the package's own: "torch_fl/backends.conf" and "backends.conf" are both
// found.
std::vector<std::string> package_folders(const std::string& shipped_folder) {
  if (shipped_folder.empty()) return {};
  const std::filesystem::path folder = std::filesystem::path(shipped_folder + "/").lexically_normal().parent_path();
  return {folder.parent_path().string(), folder.string()};
}

RuleFile read_rules(const std::string& path, const std::string& shipped_folder, Source source, const Catalog& catalog) {
  RuleFile file;
  file.conf = read_conf(path, package_folders(shipped_folder), read_conf_file);
  file.rules = rules_of(file.conf, source, catalog);
  return file;
}

}  // namespace

Settings::Settings(const Catalog& catalog, const std::string& shipped_folder) : shipped_folder_(shipped_folder) {
  strict = env::flag("FLAGOS_STRICT");
  if (const char* reference = env::text("FLAGOS_SHADOW"); reference != nullptr) shadow = reference;
  trace = (env::flag("FLAGOS_TRACE") ? uint32_t{FL_TRACE_COUNT} : 0u) |
          (env::flag("FLAGOS_LOG_DISPATCH") ? uint32_t{FL_TRACE_LOG} : 0u) |
          (shadow.empty() ? 0u : uint32_t{FL_TRACE_SHADOW});
  environment = rules_of_environment(env::family("FLAGOS_OP_*"), catalog);
  if (const char* path = env::text("FLAGOS_BACKEND_CONFIG"); path != nullptr && *path != '\0') {
    std::vector<std::string> folders{working_folder()};
    for (const std::string& folder : package_folders(shipped_folder)) folders.push_back(folder);
    const std::optional<std::string> found = find_conf_file(path, folders, read_conf_file);
    if (!found) {
      std::string where;
      for (const std::string& folder : folders) where += (where.empty() ? "" : ", ") + folder;
      fl::fail(FL_INVALID_ARGUMENT, "FLAGOS_BACKEND_CONFIG: there is no file '%s'. Looked in: %s.", path,
               where.c_str());
    }
    try {
      file = read_rules(*found, shipped_folder, Source::kFile, catalog);
    } catch (const Error& error) {
      const std::string text = error.what();
      // What is wrong inside a file starts with its name, what is wrong with the file itself does not.
      throw Error(error.status(), text.starts_with(*found) ? text : "FLAGOS_BACKEND_CONFIG: " + text);
    }
  }
  for (const std::string& driver : catalog.drivers()) {
    if (!driver.empty()) shipped(driver, catalog);
  }
}

const RuleFile& Settings::shipped(const std::string& driver, const Catalog& catalog) {
  const auto known = shipped_.find(driver);
  if (known != shipped_.end()) return known->second;
  RuleFile file;
  if (!shipped_folder_.empty()) {
    const std::vector<std::string> folders = package_folders(shipped_folder_);
    std::optional<std::string> path = find_conf_file("backends_" + driver + ".conf", {folders.back()}, read_conf_file);
    if (!path) path = find_conf_file("backends.conf", {folders.back()}, read_conf_file);
    if (path) file = read_rules(*path, shipped_folder_, Source::kShipped, catalog);
  }
  return shipped_.emplace(driver, std::move(file)).first->second;
}

}  // namespace fl::routing
