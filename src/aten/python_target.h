// Targets that are functions of the user's: each lives in a private library under the aten schema and is reached through
// the dispatcher, so that the routed kernel of the operator stays in place.
#pragma once

#include <string>

namespace flagos {

// Declares the target `name`, whose function for an operator "add.Tensor" is the PrivateUse1 kernel of
// "flagos_target_<name>::add.Tensor". Functions may be added later; declaring again rebuilds the routes.
void declare_function_target(const std::string& name);

}  // namespace flagos
