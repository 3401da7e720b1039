// One reading of the environment, immutable: the declared variables that were set, and those of ours that are unknown.
#ifndef FLAGOS_BASE_ENV_SNAPSHOT_H_
#define FLAGOS_BASE_ENV_SNAPSHOT_H_

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/env_table.h"

namespace fl::env {

using Settings = std::vector<std::pair<std::string, std::string>>;  // name and value, as the environment has them

// The entry that declares `name`, by its own name or as a member of a family; an Error with a suggestion when none
// does.
const Variable& declared(std::string_view name);

class Snapshot {
 public:
  // Keeps what table() declares; takes `settings` as they come, of whatever bytes they are.
  explicit Snapshot(const Settings& settings);

  // What is set, else the default, else nullptr; an Error when what is set is refused by the variable's type. Of a name
  // that is set twice the first counts, as for getenv.
  const char* value(std::string_view name) const;
  // What is set, unchecked, or nullptr.
  const char* raw(std::string_view name) const noexcept;
  // The members of a family that are set: what stands behind the family's prefix, and the value.
  Settings family(std::string_view name) const;
  // A sentence for each FLAGOS_* variable that nothing declares.
  const std::vector<std::string>& unknown() const noexcept { return unknown_; }

 private:
  Settings set_;
  std::vector<std::string> unknown_;
};

}  // namespace fl::env

#endif  // FLAGOS_BASE_ENV_SNAPSHOT_H_
