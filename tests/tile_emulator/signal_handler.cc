#include "signal_handler.h"

#include <cpuid.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>
#include <csignal>

#include <atomic>
#include <cstdio>

#include "decode.h"
#include "tile_emulator.h"
#include "tile_state.h"

namespace tile_emulator {
namespace {

// EDX of CPUID leaf 7, as src/base/cpu_features.cc reads it.
constexpr unsigned kBf16 = 1u << 22, kTileState = 1u << 24, kInt8 = 1u << 25;
constexpr unsigned kAll = kBf16 | kTileState | kInt8;

bool processor_executes_tiles() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  if (__get_cpuid_count(7, 0, &a, &b, &c, &d) == 0 || (d & kAll) != kAll) return false;
  constexpr long kRequestPermission = 0x1023, kTileData = 18;  // ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
}

// Of the model that needs no allocation when a thread first touches it, since that is in a signal's handler.
[[gnu::tls_model("initial-exec")]] thread_local TileState tiles;

std::atomic<uint64_t> executed[kOps];
std::atomic<bool> asked{false};  // whether the process has asked for tiles, as it must ask the kernel
struct sigaction before;

// The kernel lets no process have tiles that has not asked for them (arch_prctl, ARCH_REQ_XCOMP_PERM).
std::optional<Refusal> not_permitted(Op op) {
  if (asked.load(std::memory_order_relaxed) || op == Op::kLoadConfig || op == Op::kStoreConfig || op == Op::kRelease)
    return std::nullopt;
  return Refusal{Fault::kUndefined, "the process has not asked for the state of tiles"};
}

int64_t value_of(int number, const greg_t* registers) {
  constexpr int kByNumber[] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
                               REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};
  return number == Memory::kNone ? 0 : registers[kByNumber[number]];
}

// The address of a memory operand that is not a tile's rows has the index in it; rows begin at the base.
uint8_t* address_of(const Instruction& instruction, const greg_t* registers, int64_t* stride) {
  const Memory& memory = instruction.memory;
  uint64_t address = static_cast<uint64_t>(value_of(memory.base, registers) + memory.displacement);
  if (memory.from_next_instruction) address += static_cast<uint64_t>(registers[REG_RIP] + instruction.length);
  const uint64_t index = static_cast<uint64_t>(value_of(memory.index, registers)) << memory.scale;
  if (instruction.op == Op::kLoadConfig || instruction.op == Op::kStoreConfig) address += index;
  *stride = static_cast<int64_t>(index);
  return reinterpret_cast<uint8_t*>(address);
}

// Ends the process with a sentence and the signal that the kernel makes of the fault.
[[noreturn]] void end(const Instruction& instruction, const void* at, const Refusal& refusal) {
  const bool undefined = refusal.fault == Fault::kUndefined;
  char sentence[320];
  const int length = std::snprintf(sentence, sizeof sentence, "tile emulator: %s at %p: %s: %s.\n",
                                   instruction.wrong != nullptr ? "an instruction" : mnemonic(instruction.op), at,
                                   undefined ? "#UD" : "#GP", refusal.reason);
  [[maybe_unused]] const ssize_t written = write(STDERR_FILENO, sentence, static_cast<size_t>(length));
  const int signal = undefined ? SIGILL : SIGSEGV;
  std::signal(signal, SIG_DFL);
  sigset_t only;
  sigemptyset(&only);
  sigaddset(&only, signal);
  pthread_sigmask(SIG_UNBLOCK, &only, nullptr);
  raise(signal);
  _exit(128 + signal);  // the default of these signals has ended the process
}

void pass_on(int signal, siginfo_t* info, void* context) {
  if ((before.sa_flags & SA_SIGINFO) != 0) return before.sa_sigaction(signal, info, context);
  if (before.sa_handler != SIG_DFL && before.sa_handler != SIG_IGN) return before.sa_handler(signal);
  std::signal(signal, SIG_DFL);  // the instruction, tried again, ends the process
}

// Tile instructions come in runs: those that follow are executed at once, which saves their signals.
void handle(int signal, siginfo_t* info, void* context) {
  greg_t* registers = static_cast<ucontext_t*>(context)->uc_mcontext.gregs;
  for (bool any = false;; any = true) {
    const auto* code = reinterpret_cast<const uint8_t*>(registers[REG_RIP]);
    const std::optional<Instruction> instruction = decode(code);
    if (!instruction) {
      if (!any) pass_on(signal, info, context);
      return;
    }
    int64_t stride = 0;
    uint8_t* address = address_of(*instruction, registers, &stride);
    auto refusal = not_permitted(instruction->op);
    if (!refusal) refusal = tiles.execute(*instruction, address, stride);
    if (refusal) end(*instruction, code, *refusal);
    executed[static_cast<int>(instruction->op)].fetch_add(1, std::memory_order_relaxed);
    registers[REG_RIP] += instruction->length;
  }
}

[[gnu::constructor]] void begin() { install(); }

}  // namespace

bool emulating() {
  static const bool answer = !processor_executes_tiles();
  return answer;
}

void install() {
  if (!emulating()) return;
  struct sigaction ours {};
  ours.sa_sigaction = &handle;
  ours.sa_flags = SA_SIGINFO;
  sigemptyset(&ours.sa_mask);
  sigaction(SIGILL, &ours, &before);
}

}  // namespace tile_emulator

#define FLAGOS_EXPORTED [[gnu::visibility("default")]]

extern "C" {

FLAGOS_EXPORTED unsigned fl_emulated_tile_features() {
  if (!tile_emulator::emulating()) return 0;
  tile_emulator::asked.store(true, std::memory_order_relaxed);
  return tile_emulator::kAll;
}

FLAGOS_EXPORTED const char* tile_emulator_mnemonic(int instruction) {
  const bool there = 0 <= instruction && instruction < tile_emulator::kOps;
  return there ? tile_emulator::mnemonic(static_cast<tile_emulator::Op>(instruction)) : nullptr;
}

FLAGOS_EXPORTED uint64_t tile_emulator_executed(int instruction) {
  return tile_emulator::executed[instruction].load(std::memory_order_relaxed);
}

FLAGOS_EXPORTED int tile_emulator_configured() { return tile_emulator::tiles.palette != 0; }

}  // extern "C"
