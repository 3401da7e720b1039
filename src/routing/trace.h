// The wrappers around one run of one target: log, shadow compare, count. Only routes made for them come here, so that
// they cost nothing while they are off.
#ifndef FLAGOS_ROUTING_TRACE_H_
#define FLAGOS_ROUTING_TRACE_H_

#include <string>

#include "routing/route.h"

namespace fl::routing {

// Runs the call on candidate `index` of the route's plan under the route's wrappers, log outside, count inside. `why`
// gives what happened to the earlier candidates ("" when there is nothing to say) and is asked only when logging.
fl_outcome run_traced(const Route& route, size_t index, void* call, const std::string& why);

// False inside of what shadow compare does for itself: those calls are neither counted nor logged nor compared.
bool tracing_here();

// "mm(float32[2, 3], float32[3, 4]) on host".
std::string call_text(const Slot& slot, void* call);

}  // namespace fl::routing

#endif  // FLAGOS_ROUTING_TRACE_H_
