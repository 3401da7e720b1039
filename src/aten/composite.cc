#include "aten/composite.h"

#include <torch/library.h>

#include <memory>
#include <mutex>
#include <vector>

#include "aten/current.h"
#include "aten/errors.h"
#include "aten/operator.h"
#include "aten/routed_kernel.h"
#include "aten/structural.h"

namespace flagos {
namespace {

struct Composite {
  Operator* op;
  bool installed = false;
};

struct Composites {
  std::mutex mutex;
  std::vector<Composite> all;
  std::unique_ptr<torch::Library> library;  // never destroyed: its kernels live as long as the process
};
Composites& composites() {
  static auto* all = new Composites;
  return *all;
}

// On the device's own tensors and with autograd as it is: the parts are routed and differentiated one by one.
void run_composition(const Call& call) {
  call.handle.redispatchBoxed(c10::DispatchKeySet(c10::DispatchKey::CPU), &call.stack);
}

bool leaves_the_composition(const Operator& op) {
  for (c10::DeviceIndex device = 0; device < device_count(); ++device) {
    if (op.route(device_facts(device).driver)->head_run != cpu_target_run()) return true;
  }
  return false;
}

}  // namespace

void declare_composite(const std::string& name) {
  if (find_operator(name) != nullptr) return;
  const auto dot = name.find('.');
  const c10::OperatorName full("aten::" + name.substr(0, dot), dot == std::string::npos ? "" : name.substr(dot + 1));
  const auto handle = c10::Dispatcher::singleton().findSchema(full);
  if (!handle || is_structural(full)) return;
  auto& op = operator_for(*handle);
  if (op.has_cpu_kernel) op.own = &run_composition;
  auto& known = composites();
  const std::lock_guard lock(known.mutex);
  known.all.push_back({&op});
}

void install_composites() {
  auto& known = composites();
  const std::lock_guard lock(known.mutex);
  if (known.all.empty() || !devices_found()) return;
  for (auto& composite : known.all) {
    if (composite.installed || !leaves_the_composition(*composite.op)) continue;
    if (!known.library) {
      known.library = std::make_unique<torch::Library>(torch::Library::IMPL, "aten", c10::DispatchKey::PrivateUse1,
                                                       __FILE__, __LINE__);
    }
    known.library->impl(composite.op->full_name.c_str(), routed_kernel(*composite.op));
    composite.installed = true;
  }
}

}  // namespace flagos
