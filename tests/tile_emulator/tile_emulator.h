// The tile instructions of AMX in software, for processes of tests on processors that have none: their SIGILL is
// answered by executing the instruction after its definition (Intel 64 and IA-32 Architectures Software Developer's
// Manual, volume 2: AMX instructions and their exception classes).
//
// Loaded by LD_PRELOAD, or linked in, it begins by itself. Where the processor has tiles and the kernel grants them it
// stays away, and the same programs run on the real instructions. What the definition forbids ends the process with a
// sentence and with the signal that the processor's fault would have become.
//
// Not emulated: TDPFP16PS; segment overrides and 32-bit addresses; the tiles of a thread while another signal's handler
// runs (the kernel would begin that one with none).
#ifndef FLAGOS_TESTS_TILE_EMULATOR_TILE_EMULATOR_H_
#define FLAGOS_TESTS_TILE_EMULATOR_TILE_EMULATOR_H_

#include <cstdint>

extern "C" {

// What src/base/cpu_features.cc asks: EDX of CPUID leaf 7 as a processor with these instructions would give it, 0 where
// the emulator stays away. To ask is to ask the kernel for the tiles' state: before it, data of tiles are refused. Any
// thread.
unsigned fl_emulated_tile_features();

// Instructions are numbered from 0; NULL behind the last. Any thread.
const char* tile_emulator_mnemonic(int instruction);
// How many of it the process has executed, all threads together. Any thread.
uint64_t tile_emulator_executed(int instruction);
// Whether the calling thread's tiles are configured.
int tile_emulator_configured();

}  // extern "C"

#endif  // FLAGOS_TESTS_TILE_EMULATOR_TILE_EMULATOR_H_
