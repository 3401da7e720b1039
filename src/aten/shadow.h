// Shadow compare: each routed call runs again on the reference, and the first that differs is named.
#pragma once

#include <string>

#include "aten/operator.h"

namespace flagos {

// Runs `call` by `run`, then once more by `reference` on copies of what the operands were. Returns true and fills
// `report` with one sentence when results or written operands differ by more than rounding of their dtype explains.
// Random operators, and operators whose values are unspecified, are run without a comparison.
bool run_shadowed(const Call& call, fl_target_run run, void* run_data, fl_target_run reference, void* reference_data,
                  fl_outcome& outcome, std::string& report);

}  // namespace flagos
