// SIGILL to instruction: how the emulator comes to execute what the processor refused.
#ifndef FLAGOS_TESTS_TILE_EMULATOR_SIGNAL_HANDLER_H_
#define FLAGOS_TESTS_TILE_EMULATOR_SIGNAL_HANDLER_H_

namespace tile_emulator {

// Whether instructions are emulated in this process: not where the processor executes them.
bool emulating();

// Puts the handler before the one that the process has; that one gets what is no tile instruction. Called once when the
// library is loaded, and again by who has put another in its place.
void install();

}  // namespace tile_emulator

#endif  // FLAGOS_TESTS_TILE_EMULATOR_SIGNAL_HANDLER_H_
