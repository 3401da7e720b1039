// The environment, read once a process at first use and held. This room is the only one that looks at it.
//
// Every variable is declared in env_table.cc. A value that its type refuses is an Error of FL_INVALID_ARGUMENT that
// names the variable, the value and what is allowed, thrown by each read of that variable. An unknown FLAGOS_* variable
// is warned about once. A variable set to nothing ("FLAGOS_X=") counts as unset. Any thread; safe after fork; texts
// live as long as the process.
#ifndef FLAGOS_BASE_ENV_H_
#define FLAGOS_BASE_ENV_H_

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace fl::env {

// The value in force: what is set, else the default, else nullptr. A name that is not declared is an Error.
const char* text(std::string_view name);

// The same, converted. An unset variable without a default is false, 0, 0 or empty; `text` tells the difference.
bool flag(std::string_view name);
int64_t integer(std::string_view name);
uint64_t bytes(std::string_view name);                 // "64M" is 64 * 2^20
std::vector<std::string> list(std::string_view name);  // words between commas

// The members of a family that are set, in the environment's order: {"mm__out", "cuda"} for FLAGOS_OP_mm__out=cuda
// when `name` is "FLAGOS_OP_*".
std::vector<std::pair<std::string, std::string>> family(std::string_view name);

// Reads the environment again: what routing's reset() promises. The caller sees to it that no thread changes the
// environment meanwhile.
void read_again();

// A test seam: until the end of its life the process sees these variables and no others. One at a time; the process's
// real environment is not touched.
class Scoped {
 public:
  explicit Scoped(std::initializer_list<std::pair<std::string, std::string>> variables);
  ~Scoped();
  Scoped(const Scoped&) = delete;
  Scoped& operator=(const Scoped&) = delete;

 private:
  const void* outer_;
};

}  // namespace fl::env

#endif  // FLAGOS_BASE_ENV_H_
