// "module/1" of the simulated accelerator: its own kernels ("builtin"), and object files whose code adds the engine's
// distance to every address ("elf-x86_64", see sim_control.h). A kernel's programs run on the stream's thread, in
// ascending order, so that FL_LAUNCH_ORDERED holds for every launch.
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <new>
#include <string>

#include "base/error.h"
#include "drivers/common/cpu_kernel.h"
#include "drivers/common/handle_table.h"
#include "drivers/common/module_group.h"
#include "drivers/sim/driver.h"

namespace fl::drivers::sim {
namespace {

constexpr char kBuiltinImageKind[] = "builtin";

// The elements [begin, end) of `count` that the programs [first, last) of the grid stand for.
struct Share {
  uint64_t begin, end;
};
Share share_of(uint64_t count, uint64_t first, uint64_t last, const uint32_t* grid) {
  const uint64_t programs = uint64_t{grid[0]} * grid[1] * grid[2];  // below 2^63: checked_program_count
  const auto part = [&](uint64_t program) {
    return static_cast<uint64_t>(static_cast<unsigned __int128>(count) * program / programs);
  };
  return {part(first), part(last)};
}

template <typename T>
T value(const void* argument) {
  T result;
  std::memcpy(&result, argument, sizeof(T));
  return result;
}

float* floats(const void* argument) { return seen_by_worker<float>(value<fl_addr>(argument)); }

void run_fill(const void* const* args, const uint32_t* grid, uint64_t first, uint64_t last, void*) {
  float* const dst = floats(args[0]);
  const auto number = value<float>(args[2]);
  const Share share = share_of(value<uint64_t>(args[1]), first, last, grid);
  for (uint64_t i = share.begin; i < share.end; ++i) dst[i] = number;
}

void run_axpy(const void* const* args, const uint32_t* grid, uint64_t first, uint64_t last, void*) {
  float* const y = floats(args[0]);
  const float* const x = floats(args[1]);
  const auto a = value<float>(args[2]);
  const Share share = share_of(value<uint64_t>(args[3]), first, last, grid);
  for (uint64_t i = share.begin; i < share.end; ++i) y[i] += a * x[i];
}

// What a builtin kernel takes: 'a' an address, '4' and '8' scalars of so many bytes. The elements behind each address
// are floats, as many as the argument `count_at` says.
struct Builtin {
  const char* name;
  const char* signature;
  int count_at;
  fl_host_kernel code;  // null: the gate, which only waits
};
constexpr Builtin kBuiltins[] = {
    {"fill", "a84", 1, run_fill},
    {"axpy", "aa48", 3, run_axpy},
    {"gate", "8", -1, nullptr},
};

struct Function {
  int32_t device;
  fl_host_kernel code;
  const Builtin* builtin;  // null: from an object
};

struct Module {
  int32_t device;
  std::string name;
  std::unique_ptr<Object> object;                                      // null: the builtin kernels
  std::map<std::string, fl_hal_function, std::less<>> functions = {};  // one handle a name
};

struct Tables {
  HandleTable<std::unique_ptr<Module>, fl_hal_module, HandleKind::kSimModule> modules;
  HandleTable<Function, fl_hal_function, HandleKind::kSimFunction> functions;
};

// Never destroyed: see engine().
Tables& tables() {
  static Tables* const instance = new Tables;
  return *instance;
}

Module& module_of(const Device& device, fl_hal_module handle) {
  std::unique_ptr<Module>* const module = tables().modules.find(handle);
  if (!module)
    fail(FL_INVALID_ARGUMENT, "The simulated accelerator has no module %p; it was unloaded.",
         static_cast<void*>(handle));
  if ((*module)->device != device.index)
    fail(FL_INVALID_ARGUMENT, "Module '%s' belongs to device %d of the simulated accelerator, not to device %d.",
         (*module)->name.c_str(), (*module)->device, device.index);
  return **module;
}

void check_signature(const Device& device, const Builtin& kernel, const fl_arg* args, uint32_t arg_count) {
  bool fits = arg_count == std::strlen(kernel.signature);
  for (uint32_t i = 0; fits && i < arg_count; ++i)
    fits = kernel.signature[i] == 'a'
               ? args[i].kind == FL_ARG_ADDRESS
               : args[i].kind == FL_ARG_BYTES && args[i].size == static_cast<uint32_t>(kernel.signature[i] - '0');
  if (!fits)
    fail(FL_INVALID_ARGUMENT,
         "launch: the builtin kernel '%s' takes '%s' (a: an address, 4, 8: bytes of a scalar); %u arguments "
         "came, or one of another kind.",
         kernel.name, kernel.signature, arg_count);
  for (uint32_t i = 0; i < arg_count; ++i) {
    if (args[i].kind != FL_ARG_ADDRESS) continue;
    uint64_t bytes = 0;
    if (__builtin_mul_overflow(value<uint64_t>(args[kernel.count_at].data), sizeof(float), &bytes)) bytes = UINT64_MAX;
    block_of(device, value<fl_addr>(args[i].data), bytes, "launch");
  }
}

struct FreeMemory {
  void operator()(void* pointer) const { std::free(pointer); }
};

// One launch with its own copy of the arguments, for the stream's thread.
struct Launch {
  fl_host_kernel code;
  uint32_t grid[3];
  uint64_t programs;
  std::vector<uint64_t> storage;  // each argument at an 8-byte boundary
  std::vector<const void*> args;
  std::unique_ptr<void, FreeMemory> scratch;

  Launch(fl_host_kernel kernel, const fl_launch_config& config, uint64_t count, const fl_arg* given,
         uint32_t given_count)
      : code(kernel), grid{config.grid[0], config.grid[1], config.grid[2]}, programs(count) {
    constexpr uint64_t kWord = sizeof(uint64_t);
    uint64_t words = 0;
    for (uint32_t i = 0; i < given_count; ++i) words += (given[i].size + kWord - 1) / kWord;
    storage.resize(words);
    uint64_t at = 0;
    for (uint32_t i = 0; i < given_count; ++i) {
      std::memcpy(storage.data() + at, given[i].data, given[i].size);
      args.push_back(storage.data() + at);
      at += (given[i].size + kWord - 1) / kWord;
    }
    if (config.shared_bytes > 0) {
      scratch.reset(std::aligned_alloc(64, (uint64_t{config.shared_bytes} + 63) / 64 * 64));
      if (!scratch) throw std::bad_alloc();
    }
  }
  void run() const { code(args.data(), grid, 0, programs, scratch.get()); }
};

void launch(int32_t index, fl_hal_stream stream, fl_hal_function handle, const fl_launch_config* config,
            const fl_arg* args, uint32_t arg_count) {
  Call call(index);
  Device& device = call.device();
  Stream& on = stream_of(device, stream);
  const Function* const function = tables().functions.find(handle);
  if (!function || function->device != index)
    fail(FL_INVALID_ARGUMENT,
         "launch: device %d of the simulated accelerator has no function %p; its module was unloaded, or "
         "is another device's.",
         index, static_cast<void*>(handle));
  const uint64_t programs = checked_program_count(config);
  check_kernel_args(args, arg_count);
  if (function->builtin) check_signature(device, *function->builtin, args, arg_count);
  if (programs == 0) return;

  Command command;
  if (function->code) {
    auto work = std::make_shared<Launch>(function->code, *config, programs, args, arg_count);
    command.work = [work = std::move(work)] { work->run(); };
  } else {
    command.ready = [gate = value<uint64_t>(args[0].data)] { return engine().open_gates.contains(gate); };
  }
  for (uint32_t i = 0; i < arg_count; ++i) {
    // An address that no block holds is not an error: a kernel may be given one that it does not follow.
    if (args[i].kind != FL_ARG_ADDRESS) continue;
    if (auto block = device.blocks.find(value<fl_addr>(args[i].data), 0)) command.uses.push_back(std::move(block));
  }
  on.submit(std::move(command));
}

fl_hal_module load(int32_t index, const char* kind, const char* name, const void* image, uint64_t size,
                   fl_symbol_resolver resolver, void* resolver_context) {
  Module module{index, name ? name : "kernel", nullptr};
  const bool builtin = kind && std::strcmp(kind, kBuiltinImageKind) == 0;
  if (!builtin && (!kind || std::strcmp(kind, kCpuImageKind) != 0))
    fail(FL_UNSUPPORTED, "The simulated accelerator loads images of the kinds %s and %s, not %s.", kBuiltinImageKind,
         kCpuImageKind, kind ? kind : "(null)");
  if (!builtin) module.object = Object::load(image, size, module.name, resolver, resolver_context);
  Call call(index);
  return tables().modules.insert(std::make_unique<Module>(std::move(module)));
}

void unload(int32_t index, fl_hal_module handle) {
  Call call(index, Call::Purpose::kCleaning);
  module_of(call.device(), handle);
  std::unique_ptr<Module> module;
  if (!tables().modules.remove(handle, &module))
    fail(FL_INVALID_ARGUMENT, "unload: another thread unloaded the module.");
  Function removed;
  for (const auto& [name, function] : module->functions) tables().functions.remove(function, &removed);
}

fl_hal_function find_function(int32_t index, fl_hal_module handle, const char* name) {
  Call call(index);
  Module& module = module_of(call.device(), handle);
  if (!name) fail(FL_INVALID_ARGUMENT, "function: no name was given.");
  const auto known = module.functions.find(std::string_view(name));
  if (known != module.functions.end()) return known->second;
  Function function{index, nullptr, nullptr};
  if (module.object) function.code = reinterpret_cast<fl_host_kernel>(module.object->find(name));
  for (const Builtin& kernel : kBuiltins)
    if (!module.object && std::strcmp(name, kernel.name) == 0) function = {index, kernel.code, &kernel};
  if (!function.code && !function.builtin)
    fail(FL_INVALID_ARGUMENT, "Module '%s' has no function '%s'.", module.name.c_str(), name);
  return module.functions.emplace(name, tables().functions.insert(function)).first->second;
}

}  // namespace

const fl_hal_module1* module_group() {
  static const char* const kinds[] = {kBuiltinImageKind, kCpuImageKind, nullptr};
  static const auto group = module_group_of<load, unload, find_function, launch>(kinds);
  return &group;
}

}  // namespace fl::drivers::sim
