#include "runtime/driver_list.h"

#include <dirent.h>
#include <dlfcn.h>

#include <algorithm>

#include "base/env.h"
#include "base/error.h"
#include "runtime/driver_open.h"

namespace fl::runtime {
namespace {

constexpr char kHost[] = "host";
constexpr char kPrefix[] = "libflagos_driver_";
constexpr char kSuffix[] = ".so";

// "libflagos_driver_x.so" -> "x"; "" for any other file.
std::string name_of_file(const std::string& file) {
  const size_t prefix = sizeof(kPrefix) - 1;
  const size_t suffix = sizeof(kSuffix) - 1;
  if (file.size() <= prefix + suffix || file.compare(0, prefix, kPrefix) != 0) return "";
  if (file.compare(file.size() - suffix, suffix, kSuffix) != 0) return "";
  return file.substr(prefix, file.size() - prefix - suffix);
}

}  // namespace

DriverList::DriverList(const std::vector<LinkedDriver>& linked, const std::vector<std::string>& folders,
                       const std::vector<std::string>& wanted) {
  for (const LinkedDriver& driver : linked) {
    auto row = std::make_unique<Row>();
    row->name = driver.name;
    row->origin = "linked in";
    row->entry = driver.entry;
    rows_.push_back(std::move(row));
  }
  for (const std::string& folder : folders) add_folder(folder);
  if (wanted.empty()) {
    select_by_default();
  } else {
    select_named(wanted);
  }
}

// A folder that is missing or unreadable is no error: FLAGOS_DRIVER_PATH may name what is not mounted yet. Files are
// taken in the order of their names, so that device numbers do not depend on the file system.
void DriverList::add_folder(const std::string& folder) {
  std::vector<std::string> files;
  if (DIR* directory = opendir(folder.c_str())) {
    while (const dirent* entry = readdir(directory)) files.emplace_back(entry->d_name);
    closedir(directory);
  }
  std::sort(files.begin(), files.end());
  for (const std::string& file : files) {
    const std::string name = name_of_file(file);
    if (name.empty()) continue;
    auto row = std::make_unique<Row>();
    row->name = name;
    row->origin = folder + "/" + file;
    if (!is_driver_name(name.c_str())) {
      row->opened = true;
      row->status = FL_INVALID_ARGUMENT;
      row->reason = "the name in the file's name is not a word of 1 to 32 letters of [a-z0-9_]";
    } else if (const Row* first = find(name)) {
      row->opened = true;
      row->status = FL_INVALID_ARGUMENT;
      row->reason = "a driver of this name was found earlier (" + first->origin + "); the first one is used";
    }
    rows_.push_back(std::move(row));
  }
}

DriverList::Row* DriverList::find(const std::string& name) {
  for (const auto& row : rows_) {
    if (row->name == name) return row.get();
  }
  return nullptr;
}

std::string DriverList::known_names() const {
  std::string names;
  for (const auto& row : rows_) names += (names.empty() ? "" : ", ") + row->name;
  return names;
}

void DriverList::open(Row* row) {
  if (row->opened) return;
  row->opened = true;
  OpenedDriver opened = row->entry ? open_driver(row->name, row->entry) : open_driver_library(row->name, row->origin);
  row->status = opened.status;
  row->reason = std::move(opened.reason);
  row->driver = std::move(opened.driver);
  row->devices = std::move(opened.devices);
}

void DriverList::select(Row* row) {
  row->selected = true;
  row->driver->index = static_cast<int32_t>(selected_.size());
  selected_.push_back(row);
}

void DriverList::select_named(const std::vector<std::string>& wanted) {
  const auto refuse = [this](fl_status status, const std::string& reason) {
    for (Row* row : selected_) row->selected = false;
    selected_.clear();
    status_ = status;
    reason_ = reason;
  };
  for (const std::string& name : wanted) {
    Row* row = find(name);
    if (!row) {
      return refuse(FL_INVALID_ARGUMENT, "FLAGOS_DRIVER names the driver \"" + name +
                                             "\", which is not known here (known: " + known_names() +
                                             "). Correct the name, or put the folder that holds " + kPrefix + name +
                                             kSuffix + " into FLAGOS_DRIVER_PATH.");
    }
    if (row->selected) {
      return refuse(FL_INVALID_ARGUMENT, "FLAGOS_DRIVER names the driver \"" + name + "\" twice. Name it once.");
    }
    open(row);
    if (row->status != FL_OK) {
      return refuse(row->status, "FLAGOS_DRIVER names the driver \"" + name + "\" (" + row->origin + "), which is " +
                                     (row->status == FL_ABSENT ? "absent" : "broken") + " here: " + row->reason +
                                     ". Mend that, or leave the name out of FLAGOS_DRIVER.");
    }
    select(row);
  }
}

void DriverList::select_by_default() {
  for (const auto& row : rows_) {
    if (row->name == kHost) continue;
    open(row.get());
    if (row->status == FL_OK) select(row.get());
  }
  if (!selected_.empty()) return;
  if (Row* host = find(kHost)) {
    open(host);
    if (host->status == FL_OK) return select(host);
    // Nothing at all is usable: say why the driver that is always there is not. FL_ABSENT stays the quiet "no device".
    if (host->status != FL_ABSENT) {
      status_ = host->status;
      reason_ = "The host driver cannot be used: " + host->reason;
    }
  }
}

const std::vector<std::unique_ptr<DriverList::Row>>& DriverList::report() {
  const std::lock_guard lock(mutex_);
  for (const auto& row : rows_) open(row.get());
  return rows_;
}

std::vector<std::string> driver_folders() {
  std::vector<std::string> folders = env::list("FLAGOS_DRIVER_PATH");
  Dl_info here{};
  if (dladdr(reinterpret_cast<const void*>(&driver_folders), &here) && here.dli_fname) {
    const std::string library = here.dli_fname;
    const size_t slash = library.rfind('/');
    folders.push_back((slash == std::string::npos ? std::string(".") : library.substr(0, slash)) + "/drivers");
  }
  return folders;
}

}  // namespace fl::runtime
