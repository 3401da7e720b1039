// "module/1" on the host: an object file becomes code of this process, a launch splits its grid over the thread pool.
//
// A launch takes no lock and allocates nothing but, once a thread, its scratch. It is done when it returns.
#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "base/error.h"
#include "drivers/common/cpu_kernel.h"
#include "drivers/common/handle_table.h"
#include "drivers/common/module_group.h"
#include "drivers/host/driver.h"
#include "drivers/host/machine.h"

namespace fl::drivers::host {
namespace {

struct Module {
  int32_t device;
  std::string name;
  std::unique_ptr<Object> object;
  std::map<std::string, fl_hal_function, std::less<>> functions;  // one handle a name; under Tables::mutex
};

struct Function {
  int32_t device;
  fl_host_kernel code;
};

struct Tables {
  std::mutex mutex;
  HandleTable<std::unique_ptr<Module>, fl_hal_module, HandleKind::kHostModule> modules;
  HandleTable<Function, fl_hal_function, HandleKind::kHostFunction> functions;
};

// Never destroyed: kernels may be unloaded while the process ends.
Tables& tables() {
  static Tables* const instance = new Tables;
  return *instance;
}

Module& module_of(int32_t device, fl_hal_module handle) {
  check_device(device);
  std::unique_ptr<Module>* const module = tables().modules.find(handle);
  if (!module)
    fail(FL_INVALID_ARGUMENT, "The host driver has no module %p; it was unloaded.", static_cast<void*>(handle));
  if ((*module)->device != device)
    fail(FL_INVALID_ARGUMENT, "Module '%s' belongs to device %d of the host driver, not to device %d.",
         (*module)->name.c_str(), (*module)->device, device);
  return **module;
}

// One launch, as the threads of the pool see it.
struct Launch {
  fl_host_kernel code;
  const void* const* args;
  const fl_launch_config* config;
  uint64_t programs;
  std::atomic<uint64_t> next{0};  // FL_LAUNCH_ORDERED: the lowest program that nobody has started
  std::atomic<bool> out_of_memory{false};

  void* scratch() noexcept try { return thread_scratch(config->shared_bytes); } catch (const std::bad_alloc&) {
    out_of_memory.store(true, std::memory_order_relaxed);
    return nullptr;
  }

  void run(uint64_t first, uint64_t last) noexcept {
    void* const memory = scratch();
    if (memory || config->shared_bytes == 0) code(args, config->grid, first, last, memory);
  }

  // Each thread takes the lowest program left, so that a program has started when any higher one runs.
  void run_ordered() noexcept {
    void* const memory = scratch();
    if (!memory && config->shared_bytes > 0) return;
    for (uint64_t id; (id = next.fetch_add(1, std::memory_order_relaxed)) < programs;)
      code(args, config->grid, id, id + 1, memory);
  }
};

void launch(int32_t device, fl_hal_stream stream, fl_hal_function handle, const fl_launch_config* config,
            const fl_arg* args, uint32_t arg_count) {
  check_stream(device, stream);
  const Function* const function = tables().functions.find(handle);
  if (!function || function->device != device)
    fail(FL_INVALID_ARGUMENT,
         "launch: device %d of the host driver has no function %p; its module was unloaded, or is another "
         "device's.",
         device, static_cast<void*>(handle));
  const uint64_t programs = checked_program_count(config);
  check_kernel_args(args, arg_count);
  if (programs == 0) return;

  const void* values[kMaxKernelArgs];
  for (uint32_t i = 0; i < arg_count; ++i) values[i] = args[i].data;

  Launch work{function->code, values, config, programs};
  const uint64_t grain = std::max<uint64_t>(config->grain, 1);
  if (programs <= grain) {
    work.run(0, programs);
  } else if (config->flags & FL_LAUNCH_ORDERED) {
    static const uint32_t cores = usable_cores();
    const auto threads = static_cast<int64_t>(std::min<uint64_t>(programs, cores));
    core().parallel_for(
        0, threads, 1, [](void* context, int64_t, int64_t) { static_cast<Launch*>(context)->run_ordered(); }, &work);
  } else {
    core().parallel_for(
        0, static_cast<int64_t>(programs), static_cast<int64_t>(grain),
        [](void* context, int64_t first, int64_t last) {
          static_cast<Launch*>(context)->run(static_cast<uint64_t>(first), static_cast<uint64_t>(last));
        },
        &work);
  }
  if (work.out_of_memory.load(std::memory_order_relaxed))
    fail(FL_OUT_OF_MEMORY,
         "launch: a thread found no memory for %u bytes of scratch, and some programs did not run; free memory.",
         config->shared_bytes);
}

fl_hal_module load(int32_t device, const char* kind, const char* name, const void* image, uint64_t size,
                   fl_symbol_resolver resolver, void* resolver_context) {
  check_device(device);
  if (!kind || std::strcmp(kind, kCpuImageKind) != 0)
    fail(FL_UNSUPPORTED, "The host driver loads images of the kind %s, not %s.", kCpuImageKind, kind ? kind : "(null)");
  auto module = std::make_unique<Module>();
  module->device = device;
  module->name = name ? name : "kernel";
  module->object = Object::load(image, size, module->name, resolver, resolver_context);
  return tables().modules.insert(std::move(module));
}

void unload(int32_t device, fl_hal_module handle) {
  module_of(device, handle);
  std::unique_ptr<Module> module;
  if (!tables().modules.remove(handle, &module))
    fail(FL_INVALID_ARGUMENT, "unload: another thread unloaded the module.");
  Function removed;
  for (const auto& [name, function] : module->functions) tables().functions.remove(function, &removed);
}

fl_hal_function find_function(int32_t device, fl_hal_module handle, const char* name) {
  Module& module = module_of(device, handle);
  if (!name) fail(FL_INVALID_ARGUMENT, "function: no name was given.");
  std::lock_guard lock(tables().mutex);
  const auto known = module.functions.find(std::string_view(name));
  if (known != module.functions.end()) return known->second;
  void* const code = module.object->find(name);
  if (!code) fail(FL_INVALID_ARGUMENT, "Module '%s' has no function '%s'.", module.name.c_str(), name);
  const auto function = tables().functions.insert({device, reinterpret_cast<fl_host_kernel>(code)});
  module.functions.emplace(name, function);
  return function;
}

}  // namespace

const fl_hal_module1* module_group() {
  static const char* const kinds[] = {kCpuImageKind, nullptr};
  static const auto group = module_group_of<load, unload, find_function, launch>(kinds);
  return &group;
}

void module_survives_fork() {
  tables();
  const auto lock = [] { tables().mutex.lock(), tables().modules.lock_for_fork(), tables().functions.lock_for_fork(); };
  const auto unlock = [] {
    tables().functions.unlock_after_fork(), tables().modules.unlock_after_fork(), tables().mutex.unlock();
  };
  pthread_atfork(lock, unlock, unlock);
}

}  // namespace fl::drivers::host
