// The one 64-bit word that says what a call is like, which a target's mask is compared with (flagos/routing.h).
#pragma once

#include <cstdint>

#include "aten/operator.h"

namespace flagos {

uint64_t traits_of(const Call& call);
// "float32[2, 3], float32[3], 1": what a log line and an error show of a call's arguments.
void describe(const Call& call, std::string& text);
// Equal for calls that a compiler would treat alike: operator, dtypes, ranks, which sizes are 0 or 1, contiguity.
uint64_t signature_of(const Call& call);

}  // namespace flagos
