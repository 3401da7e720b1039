// Targets that are functions of the user's: each lives in a private library under the aten schema and is reached
// through the dispatcher, so that the routed kernel of the operator stays in place.
#pragma once

#include <string>
#include <vector>

namespace flagos {

struct FunctionTargetInfo {
  std::string name;
  std::string aliases;  // comma list of other names for conf files, or empty
  std::string library;  // the function for "add.Tensor" is the PrivateUse1 kernel of "<library>::add.Tensor"
  std::string drivers;  // comma list of those it can serve; empty: all
  // Operators whose functions come when they are first called, through flagos::provide_function(library, op).
  std::vector<std::string> provided;
  std::vector<std::string> differentiated;  // those of `provided` whose functions leave a gradient by themselves
};

// Declares a target. Functions may be added to its library later; declaring again rebuilds the routes.
void declare_function_target(const FunctionTargetInfo& info);

// What a function calls before it throws to decline its call: the call then goes to the next target of its chain.
// `remember`: calls with such dtypes and sizes are not brought to it again.
void decline_function_call(std::string why, bool remember);

}  // namespace flagos
