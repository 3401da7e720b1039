#include "base/env_table.h"

namespace fl::env {
namespace {

constexpr Variable kTable[] = {
    // Drivers and devices.
    {"FLAGOS_DRIVER", Type::kList, "", nullptr,
     "Drivers whose devices become flagos:0, flagos:1, ... in this order; unset takes every accelerator found, and the "
     "host only when there is none."},
    {"FLAGOS_DRIVER_PATH", Type::kList, "", nullptr,
     "Folders in which libflagos_driver_<name>.so files are looked for, before the folder of libflagos.so."},
    {"FLAGOS_HOST_DEVICES", Type::kInt, "1", "1..64",
     "How many devices the host driver shows, so that multi-device programs can be tried on one machine."},
    {"FLAGOS_SIM_DEVICES", Type::kInt, "2", "1..64", "How many devices the simulated accelerator has."},
    {"FLAGOS_SIM_MEMORY", Type::kBytes, "1G", "1M..256G", "Memory of each simulated device."},
    {"FLAGOS_SIM_COPY_DELAY", Type::kInt, "0", "0..1000000",
     "Microseconds by which the simulated accelerator delays each copy, so that a missing wait shows."},

    // Routing.
    {"FLAGOS_BACKEND_CONFIG", Type::kPath, "", nullptr,
     "The conf file that routes operators, relative to the working directory or to the installed package; unset takes "
     "the "
     "driver's shipped file."},
    {"FLAGOS_OP_*", Type::kText, "", nullptr,
     "The chain of targets of one operator: FLAGOS_OP_mm__out=cuda routes mm.out ('.' is written '__')."},
    {"FLAGOS_LOG_DISPATCH", Type::kFlag, "0", nullptr, "Logs the target that each operator call runs on."},
    {"FLAGOS_SHADOW", Type::kWord, "", "cpu",
     "Runs each routed operator again on this reference and reports the first one that differs."},
    {"FLAGOS_STRICT", Type::kFlag, "0", nullptr,
     "Forbids moving a call to a later target of its chain: what the first one cannot serve is an error."},
    {"FLAGOS_TRACE", Type::kFlag, "0", nullptr, "Turns the ledger of calls, times and copied bytes on from the start."},

    // The process.
    {"FLAGOS_AUTOLOAD", Type::kFlag, "", nullptr,
     "1: `import torch` registers the device even beside another accelerator; 0: only `import torch_fl` does; unset: "
     "where PyTorch has no usable accelerator of its own."},
    {"FLAGOS_LIBRARY_DIR", Type::kPath, "", nullptr,
     "Folder of libflagos.so and libtorch_fl-<torch minor>.so; unset takes the installed package's. Python reads it "
     "before "
     "this table is loaded."},
    {"FLAGOS_RNG", Type::kWord, "philox", "philox|cpu",
     "The random engine of the host driver: counter-based, or PyTorch's CPU engine with its state, bit for bit."},
    {"FLAGOS_THREADS", Type::kInt, "0", "0..1024",
     "Threads of the built-in pool, the caller included; 0 takes one a processor. With PyTorch its own pool is used."},
    {"FLAGOS_LOG_LEVEL", Type::kWord, "warning", "error|warning|info|debug",
     "The least urgent records that are shown."},

    // Compiled kernels.
    {"FLAGOS_CPU_TARGET", Type::kText, "", nullptr,
     "Processor that kernels are compiled for, such as x86-64-v3; unset takes this machine's."},
    {"FLAGOS_TRITON_DUMP", Type::kPath, "", nullptr,
     "Folder into which each stage of a kernel's compilation is written."},
    {"FLAGOS_TRITON_CHECK", Type::kFlag, "0", nullptr,
     "Compiles in a child process first, so that bad IR cannot end this one."},
    {"TRITON_CACHE_DIR", Type::kPath, "", nullptr,
     "Folder of compiled kernels, Triton's own variable; unset takes .triton/cache in the home folder."},
    {"HOME", Type::kPath, "", nullptr, "The user's home folder; unset takes the one that the system knows."},
    {"FLAGOS_PERF_MAP", Type::kFlag, "0", nullptr,
     "Names loaded kernels in /tmp/perf-<pid>.map, where the perf tool looks for them."},

    // FlagGems. Names of the reference page that do not begin with FLAGOS_ are kept.
    {"FLAGOS_DISABLE_FLAGGEMS_PY", Type::kFlag, "0", nullptr, "Makes FlagGems' kernels absent as a target."},
    {"FLAGGEMS_SOURCE_DIR", Type::kPath, "", nullptr,
     "Folder of the flag_gems package to use; unset takes the installed one."},
    {"GEMS_VENDOR", Type::kText, "", nullptr,
     "Vendor name that FlagGems itself reads; flagos serves it the vendor of the driver at hand when unset."},
    {"FLAGOS_METAX_CUDART_SHIM", Type::kFlag, "0", nullptr,
     "Accepted for the reference's scripts; no shim is preloaded, for the driver opens the vendor's library itself."},
    {"FLAGOS_METAX_COMPAT", Type::kFlag, "0", nullptr,
     "Accepted for the reference's scripts; nothing of FlagGems is patched, for it asks the flagos device."},

    // The LightX2V plugin. The names are the reference page's.
    {"LIGHTX2V_FL_AUTO_REGISTER", Type::kFlag, "1", nullptr,
     "`import lightx2v_fl` registers the plugin; 0 leaves it to lightx2v_fl.register() and to LightX2V's own scan."},
    {"LIGHTX2V_FL_GLOBAL_GEMS", Type::kFlag, "0", nullptr,
     "With PLATFORM=flagos, routes every operator that FlagGems serves to it, ahead of the conf file."},
    {"LIGHTX2V_FL_GEMS_UNUSED", Type::kList, "", nullptr,
     "Operators that LIGHTX2V_FL_GLOBAL_GEMS leaves where they are, as conf files name them: softmax, mm.out."},
    {"LIGHTX2V_FL_DISABLE_FLAGCX", Type::kFlag, "0", nullptr,
     "Distributed runs of the plugin use the vendor's own collectives instead of FlagCX."},
    {"LIGHTX2V_FL_KERNELS", Type::kList, "native,torch", nullptr,
     "Suppliers of the plugin's operators, tried in this order: native (own kernels for the host), torch."},
    {"LIGHTX2V_FL_STRICT", Type::kFlag, "0", nullptr,
     "Forbids a plugin operator to fall back: what its first supplier cannot serve is an error."},
};

}  // namespace

const char* type_name(Type type) {
  switch (type) {
    case Type::kFlag:
      return "flag";
    case Type::kInt:
      return "int";
    case Type::kBytes:
      return "bytes";
    case Type::kPath:
      return "path";
    case Type::kWord:
      return "word";
    case Type::kList:
      return "list";
    case Type::kText:
      return "text";
  }
  return "";
}

std::span<const Variable> table() { return kTable; }

}  // namespace fl::env
