// Operators that PyTorch composes of others: zeros of empty and zero_, dropout of bernoulli_ and mul. On flagos they
// are composed as on any device, and each part is routed. One gets a kernel of its own only when a rule sends it to a
// target that serves it whole; the target `cpu` still means PyTorch's composition.
//
// Note [Gradients of composites]
// An operator that is composed above autograd has no formula of its own: its parts have. So with a kernel here, a call
// that needs gradients is composed all the same, and only the others go to the route. The exception are operators whose
// function in a target leaves a gradient by itself: those calls reach the route with autograd in force.
#pragma once

#include <string>
#include <string_view>

#include "aten/operator.h"

namespace flagos {

// Tells routing the names. Called once, when every other operator has been declared.
void declare_composites();
// The same for an operator that PyTorch has for other devices alone, neither composed nor with a CPU kernel. Does
// nothing for one that is known, or that PyTorch does not have.
void declare_without_parts(const std::string& name);
bool is_composite(std::string_view name);  // "zeros"; thread-safe
// Says that the function of some target differentiates `name` by itself. Does nothing for what is no composite.
void differentiates_itself(const std::string& name);
// Runs PyTorch's composition of the call's operator, which has one.
void run_composite(const Call& call);

}  // namespace flagos
