// The drivers of this machine: where they are found, which of them are used, and why the others are not.
//
// Candidates are the linked-in drivers, then the files libflagos_driver_<name>.so in the folders of FLAGOS_DRIVER_PATH,
// then those in the folder `drivers` beside this library. The first of a name wins. A candidate is
// opened when the selection needs it or when somebody asks for the report; a library that was opened is never closed.
// A driver that is absent or broken is a row with a reason and never hides another.
#ifndef FLAGOS_RUNTIME_DRIVER_LIST_H_
#define FLAGOS_RUNTIME_DRIVER_LIST_H_

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "runtime/driver_table.h"

namespace fl::runtime {

// A driver that is compiled into this process.
struct LinkedDriver {
  const char* name;
  fl_driver_entry_fn entry;
};

class DriverList {
 public:
  struct Row {
    std::string name;
    std::string origin;                  // "linked in" or a path
    fl_driver_entry_fn entry = nullptr;  // linked in only
    bool opened = false;
    fl_status status = FL_OK;
    std::string reason;
    bool selected = false;
    std::unique_ptr<Driver> driver;  // set when status is FL_OK
    std::vector<fl_hal_device_info> devices;
  };

  // Lists the candidates and opens those that `wanted` (the words of FLAGOS_DRIVER; empty: every accelerator, else the
  // host) selects.
  DriverList(const std::vector<LinkedDriver>& linked, const std::vector<std::string>& folders,
             const std::vector<std::string>& wanted);

  // FL_OK and the drivers in the order of their devices, or why `wanted` cannot be had.
  fl_status status() const { return status_; }
  const std::string& reason() const { return reason_; }
  const std::vector<Row*>& selected() const { return selected_; }

  // Every candidate, opened. The rows live as long as the list.
  const std::vector<std::unique_ptr<Row>>& report();

 private:
  void add_folder(const std::string& folder);
  Row* find(const std::string& name);
  std::string known_names() const;
  void open(Row* row);
  void select_named(const std::vector<std::string>& wanted);
  void select_by_default();
  void select(Row* row);

  std::mutex mutex_;  // of report(): opening a row
  std::vector<std::unique_ptr<Row>> rows_;
  std::vector<Row*> selected_;
  fl_status status_ = FL_OK;
  std::string reason_;
};

// What the core offers to drivers, and a way to learn that a driver asked for an option whose value is refused.
const fl_driver_host& driver_host();

// The folders that are searched by default: FLAGOS_DRIVER_PATH, then `drivers` beside the library that holds this code.
std::vector<std::string> driver_folders();

}  // namespace fl::runtime

#endif  // FLAGOS_RUNTIME_DRIVER_LIST_H_
