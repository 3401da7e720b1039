// Operators that PyTorch composes of others, routed all the same once a rule sends them to a target.
//
// Note [Composites on demand]
// A composite has no kernel of its own for the device: PyTorch runs its parts, which are routed. A target may have the
// whole, though, as one kernel. The routed kernel is given to PrivateUse1 only when a rule first names such a target:
// before, the operator is decomposed as ever, by eager calls and by compilers. From then on the target `cpu` runs the
// composition on the device's own tensors, so that routing back changes nothing but a few hundred nanoseconds.
#pragma once

#include <string>

namespace flagos {

// Makes the operator known to routes when it is a composite that PyTorch has; else does nothing. `name` as in conf
// files. `differentiates_itself`: the target's function leaves a gradient by itself; without it a call that wants one
// is composed of its parts, when the operator has no derivative of its own.
void declare_composite(const std::string& name, bool differentiates_itself);

// Gives the device a routed kernel for each declared composite whose route begins with another target than `cpu`.
// Called whenever routes may have changed; cheap when nothing was declared. Does nothing before devices were found.
void install_composites();

}  // namespace flagos
