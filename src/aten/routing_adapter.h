// What the plugin tells the routing room besides operators.
#pragma once

namespace flagos {

// Makes a target known by name that cannot run here; `why` is one sentence. `aliases` and `drivers` are comma lists or
// nullptr. The texts are copied.
void declare_absent_target(const char* name, const char* aliases, const char* drivers, const char* why);

}  // namespace flagos
