// Operators that Python's torch_fl calls for memory: statistics of the caching allocators, limits, raw blocks, and
// tensors over memory of the other side. Bytes everywhere.
#include <torch/library.h>

#include <array>
#include <mutex>
#include <string>
#include <unordered_map>
#include <utility>

#include "aten/control.h"
#include "aten/host_call.h"

namespace flagos {
namespace {

using Stats = c10::Dict<std::string, int64_t>;

void put(Stats& stats, const std::string& name, const fl_stat& stat) {
  stats.insert(name + ".current", stat.current);
  stats.insert(name + ".peak", stat.peak);
  stats.insert(name + ".allocated", stat.allocated);
  stats.insert(name + ".freed", stat.freed);
}

// Flat keys as torch.cuda.memory_stats() names them: "allocated_bytes.all.peak".
Stats memory_stats(int64_t device) {
  fl_memory_stats s{};
  s.struct_size = sizeof s;
  check(fl_memory_get_stats(device_argument(device), &s));
  Stats flat;
  const std::array<std::pair<const char*, const fl_stat*>, 9> pooled = {
      {{"allocation", s.allocation},
       {"segment", s.segment},
       {"active", s.active},
       {"inactive_split", s.inactive_split},
       {"allocated_bytes", s.allocated_bytes},
       {"reserved_bytes", s.reserved_bytes},
       {"active_bytes", s.active_bytes},
       {"inactive_split_bytes", s.inactive_split_bytes},
       {"requested_bytes", s.requested_bytes}}};
  for (const auto& [name, stats] : pooled) {
    put(flat, std::string(name) + ".all", stats[FL_STAT_ALL]);
    put(flat, std::string(name) + ".small_pool", stats[FL_STAT_SMALL]);
    put(flat, std::string(name) + ".large_pool", stats[FL_STAT_LARGE]);
  }
  // Blocks too large to be split have no statistics of their own here; the keys exist so that tables made for
  // torch.cuda read them.
  for (const char* name : {"oversize_allocations", "oversize_segments"}) put(flat, name, fl_stat{});
  flat.insert("num_alloc_retries", s.retries);
  flat.insert("num_ooms", s.out_of_memory);
  flat.insert("num_sync_all_streams", s.synchronisations);
  flat.insert("num_device_alloc", s.driver_allocations);
  flat.insert("num_device_free", s.driver_releases);
  flat.insert("max_split_size", s.max_split_size);
  return flat;
}

Stats pinned_stats() {
  fl_pinned_stats s{};
  s.struct_size = sizeof s;
  check(fl_pinned_get_stats(&s));
  Stats flat;
  put(flat, "allocation", s.allocation);
  put(flat, "segment", s.segment);
  put(flat, "allocated_bytes", s.allocated_bytes);
  put(flat, "reserved_bytes", s.reserved_bytes);
  return flat;
}

std::tuple<int64_t, int64_t> memory_info(int64_t device) {
  uint64_t free_bytes = 0, total_bytes = 0;
  check(fl_memory_info(device_argument(device), &free_bytes, &total_bytes));
  return {static_cast<int64_t>(free_bytes), static_cast<int64_t>(total_bytes)};
}

double memory_fraction(int64_t device) {
  double fraction = 0;
  check(fl_memory_get_fraction(device_argument(device), &fraction));
  return fraction;
}

std::string memory_snapshot(int64_t device) {
  const auto index = device_argument(device);
  return text_from([index](fl_text_sink sink, void* context) { return fl_memory_snapshot(index, sink, context); });
}

// Blocks that Python holds by address (caching_allocator_alloc), for libraries that manage memory themselves.
struct RawBlocks {
  std::mutex mutex;
  std::unordered_map<int64_t, fl_block*> by_address;
};
RawBlocks& raw_blocks() {
  static auto* blocks = new RawBlocks;  // blocks may be given back while the interpreter ends
  return *blocks;
}

int64_t block_allocate(int64_t size, int64_t device, int64_t stream_id) {
  TORCH_CHECK_VALUE(size >= 0, "flagos: cannot allocate ", size, " bytes");
  fl_stream* stream = nullptr;
  check(fl_stream_from_id(device_argument(device), stream_id, &stream));
  fl_block* block = nullptr;
  check(fl_block_allocate(stream, static_cast<uint64_t>(size), &block));
  const auto address = static_cast<int64_t>(block->address);
  auto& blocks = raw_blocks();
  const std::lock_guard lock(blocks.mutex);
  blocks.by_address.emplace(address, block);
  return address;
}

void block_release(int64_t address) {
  fl_block* block = nullptr;
  {
    auto& blocks = raw_blocks();
    const std::lock_guard lock(blocks.mutex);
    const auto found = blocks.by_address.find(address);
    TORCH_CHECK_VALUE(found != blocks.by_address.end(), "flagos: no block at address ", address,
                      " was given out by caching_allocator_alloc, or it was released before");
    block = found->second;
    blocks.by_address.erase(found);
  }
  fl_block_release(block);
}

// A flagos tensor over the memory of a CPU tensor, which it keeps alive. Only where the device works on host memory.
at::Tensor from_host(const at::Tensor& tensor, int64_t device) {
  TORCH_CHECK_VALUE(tensor.device().is_cpu(), "flagos: from_host takes a cpu tensor, not one on ", tensor.device());
  const auto index = device_argument(device);
  TORCH_CHECK_NOT_IMPLEMENTED(device_facts(index).host_access, "flagos: driver ", device_facts(index).driver_name,
                              " of flagos:", static_cast<int>(index),
                              " cannot use host memory in place; copy with tensor.to(\"flagos\")");
  HostCall call("from_host", index);
  return call.leave(tensor);
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(flagos, m) {
  m.def("memory_stats(int device) -> Dict(str, int)", &memory_stats);
  m.def("memory_reset_peak(int device) -> ()",
        [](int64_t device) { check(fl_memory_reset_peak(device_argument(device))); });
  m.def("memory_reset_accumulated(int device) -> ()",
        [](int64_t device) { check(fl_memory_reset_accumulated(device_argument(device))); });
  m.def("memory_trim(int device) -> ()", [](int64_t device) { check(fl_memory_trim(device_argument(device))); });
  m.def("memory_info(int device) -> (int, int)", &memory_info);
  m.def("memory_set_fraction(int device, float fraction) -> ()",
        [](int64_t device, double fraction) { check(fl_memory_set_fraction(device_argument(device), fraction)); });
  m.def("memory_fraction(int device) -> float", &memory_fraction);
  m.def("memory_snapshot(int device) -> str", &memory_snapshot);

  m.def("pinned_stats() -> Dict(str, int)", &pinned_stats);
  m.def("pinned_reset_peak() -> ()", [] { check(fl_pinned_reset_peak()); });
  m.def("pinned_reset_accumulated() -> ()", [] { check(fl_pinned_reset_accumulated()); });
  m.def("pinned_trim() -> ()", [] { check(fl_pinned_trim()); });

  m.def("block_allocate(int size, int device, int stream) -> int", &block_allocate);
  m.def("block_release(int address) -> ()", &block_release);

  m.def("host_view(Tensor tensor) -> Tensor", &host_view);
  m.def("from_host(Tensor tensor, int device) -> Tensor", &from_host);
}

}  // namespace flagos
