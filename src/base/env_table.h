// The environment variables of flagos as data: what code, `flagos doctor --env` and the docs read.
#ifndef FLAGOS_BASE_ENV_TABLE_H_
#define FLAGOS_BASE_ENV_TABLE_H_

#include <span>

namespace fl::env {

enum class Type { kFlag, kInt, kBytes, kPath, kWord, kList, kText };

// "flag", "int", ...: the spelling of fl_env_info.type.
const char* type_name(Type type);

struct Variable {
  const char* name;  // a family of variables ends in '*'
  Type type;
  const char* initial;  // "" when there is no default
  const char* values;   // kWord and kList: "a|b|c"; kInt and kBytes: "least..most"; nullptr: anything of the type
  const char* help;     // one sentence
};

std::span<const Variable> table();

}  // namespace fl::env

#endif  // FLAGOS_BASE_ENV_TABLE_H_
