// Targets that are functions of the user's: each lives in a private library under the aten schema and is reached
// through the dispatcher, so that the routed kernel of the operator stays in place.
#pragma once

#include <string>

namespace flagos {

// Declares the target `name` for the drivers in the comma list (empty: all), whose function for an operator
// "add.Tensor" is the PrivateUse1 kernel of "flagos_target_<name>::add.Tensor". Functions may be added later; declaring
// again rebuilds the routes.
void declare_function_target(const std::string& name, const std::string& drivers);

// What a function calls before it throws to decline its call: the call then goes to the next target of its chain.
void decline_function_call(std::string why);

}  // namespace flagos
