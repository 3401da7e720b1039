// What the text of a variable means, by its type. Pure: it looks at its arguments only, and reports by Error of
// FL_INVALID_ARGUMENT with the variable, the value and what is allowed.
#ifndef FLAGOS_BASE_ENV_VALUE_H_
#define FLAGOS_BASE_ENV_VALUE_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/env_table.h"

namespace fl::env {

bool parse_flag(const Variable& variable, std::string_view value);        // 1|on|true|yes, 0|off|false|no; any case
int64_t parse_integer(const Variable& variable, std::string_view value);  // decimal, within variable.values
uint64_t parse_bytes(const Variable& variable, std::string_view value);   // decimal with K, M, G or T for 2^10 ... 2^40
std::vector<std::string> parse_list(const Variable& variable, std::string_view value);

// Throws what the parser of the variable's own type would.
void check(const Variable& variable, std::string_view value);

}  // namespace fl::env

#endif  // FLAGOS_BASE_ENV_VALUE_H_
