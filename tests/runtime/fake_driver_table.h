// The table of functions over a FakeDriver, as a runtime sees it, and the entries that hand it out.
#ifndef FLAGOS_TESTS_FAKE_DRIVER_TABLE_H_
#define FLAGOS_TESTS_FAKE_DRIVER_TABLE_H_

#include <cstdlib>
#include <cstring>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "fake_driver.h"
#include "flagos/hal.h"

namespace fl::test {

// The C side of fake<N>().
template <int N>
struct FakeTable {
  static FakeDriver& self() { return fake<N>(); }
  using Lock = std::lock_guard<std::recursive_mutex>;

  static fl_status device_count(int32_t* count) {
    Lock lock(self().mutex_);
    *count = self().devices;
    return self().called("device_count");
  }
  static fl_status device_info(int32_t, fl_hal_device_info* info) {
    Lock lock(self().mutex_);
    std::strcpy(info->name, "Fake accelerator");
    std::strcpy(info->arch, "fake-1");
    info->total_memory = self().memory;
    info->multiprocessors = 4;
    info->alignment = self().alignment;
    return self().called("device_info");
  }
  static fl_status device_synchronize(int32_t) {
    Lock lock(self().mutex_);
    if (const fl_status status = self().called("device_synchronize")) return status;
    self().run_all();
    return FL_OK;
  }
  static fl_status allocate(int32_t device, uint64_t size, fl_addr* address) {
    Lock lock(self().mutex_);
    if (const fl_status status = self().called("allocate")) return status;
    uint64_t used = 0;
    for (const auto& [at, piece] : self().pieces_) used += piece.device == device ? piece.size : 0;
    if (size > self().memory - used) return FakeDriver::refuse(FL_OUT_OF_MEMORY, "the fake is full");
    const uint64_t step = self().alignment;
    void* memory = std::aligned_alloc(step, (size + step - 1) / step * step);
    *address = reinterpret_cast<fl_addr>(memory) + FakeDriver::kWindow;
    self().pieces_[*address] = {device, size};
    return FL_OK;
  }
  static fl_status release(int32_t, fl_addr address) {
    Lock lock(self().mutex_);
    if (const fl_status status = self().called("release")) return status;
    const auto found = self().pieces_.find(address);
    if (found == self().pieces_.end()) return FakeDriver::refuse(FL_INVALID_ARGUMENT, "no such allocation");
    self().check_unused(address, found->second.size, "memory released while work uses it");
    std::free(self().host_view(address));
    self().pieces_.erase(found);
    return FL_OK;
  }
  static fl_status memory_info(int32_t, uint64_t* free_bytes, uint64_t* total_bytes) {
    Lock lock(self().mutex_);
    *total_bytes = self().memory;
    *free_bytes = self().memory - self().used();
    return self().called("memory_info");
  }
  static fl_status copy(int32_t, fl_hal_stream stream, fl_copy_kind kind, uint64_t dst, uint64_t src, uint64_t size) {
    Lock lock(self().mutex_);
    if (const fl_status status = self().called("copy")) return status;
    const uint64_t to = kind == FL_COPY_DEVICE_TO_HOST ? dst : dst - FakeDriver::kWindow;
    const uint64_t from = kind == FL_COPY_HOST_TO_DEVICE ? src : src - FakeDriver::kWindow;
    const auto action = [=] { std::memcpy(reinterpret_cast<void*>(to), reinterpret_cast<void*>(from), size); };
    self().enqueue(stream, {action, nullptr, {{dst, size}, {src, size}}});
    const uint64_t host = kind == FL_COPY_HOST_TO_DEVICE ? src : dst;
    if (kind != FL_COPY_ON_DEVICE && !self().is_pinned(host)) self().run_all();
    return FL_OK;
  }
  static fl_status peer_copy(int32_t, fl_hal_stream stream, int32_t, fl_addr dst, int32_t, fl_addr src, uint64_t size) {
    Lock lock(self().mutex_);
    if (const fl_status status = self().called("peer_copy")) return status;
    const auto action = [=] { std::memcpy(self().host_view(dst), self().host_view(src), size); };
    self().enqueue(stream, {action, nullptr, {{dst, size}, {src, size}}});
    return FL_OK;
  }
  static fl_status fill(int32_t, fl_hal_stream stream, fl_addr dst, const void* pattern, uint32_t size,
                        uint64_t count) {
    Lock lock(self().mutex_);
    if (const fl_status status = self().called("fill")) return status;
    const std::string bytes(static_cast<const char*>(pattern), size);
    const auto action = [=] {
      for (uint64_t i = 0; i < count; ++i)
        std::memcpy(static_cast<char*>(self().host_view(dst)) + i * size, bytes.data(), size);
    };
    self().enqueue(stream, {action, nullptr, {{dst, size * count}}});
    return FL_OK;
  }
  static fl_status stream_create(int32_t, int32_t priority, fl_hal_stream* stream) {
    Lock lock(self().mutex_);
    if (const fl_status status = self().called("stream_create")) return status;
    *stream = reinterpret_cast<fl_hal_stream>(self().next_stream_++);
    self().queue_of(*stream).priority = priority;
    return FL_OK;
  }
  static fl_status stream_destroy(int32_t, fl_hal_stream) { return FL_OK; }
  static fl_status stream_query(int32_t, fl_hal_stream stream) {
    Lock lock(self().mutex_);
    if (const fl_status status = self().called("stream_query")) return status;
    return self().idle(stream) ? FL_OK : FL_NOT_READY;
  }
  static fl_status stream_synchronize(int32_t, fl_hal_stream) {
    Lock lock(self().mutex_);
    if (const fl_status status = self().called("stream_synchronize")) return status;
    self().run_all();
    return FL_OK;
  }
  static fl_status stream_wait(int32_t, fl_hal_stream stream, fl_hal_event event) {
    Lock lock(self().mutex_);
    if (const fl_status status = self().called("stream_wait")) return status;
    self().enqueue(stream, {nullptr, reinterpret_cast<FakeDriver::Event*>(event)->point, {}});
    return FL_OK;
  }
  static fl_status stream_native(int32_t, fl_hal_stream stream, void** native) {
    *native = stream;
    return FL_OK;
  }
  static fl_status event_create(int32_t, int32_t timing, fl_hal_event* event) {
    Lock lock(self().mutex_);
    if (const fl_status status = self().called("event_create")) return status;
    auto* made = new FakeDriver::Event{nullptr, timing != 0};
    self().events_.insert(made);
    *event = reinterpret_cast<fl_hal_event>(made);
    return FL_OK;
  }
  static fl_status event_destroy(int32_t, fl_hal_event event) {
    Lock lock(self().mutex_);
    auto* gone = reinterpret_cast<FakeDriver::Event*>(event);
    self().events_.erase(gone);
    delete gone;
    return self().called("event_destroy");
  }
  static fl_status event_record(int32_t, fl_hal_event event, fl_hal_stream stream) {
    Lock lock(self().mutex_);
    if (const fl_status status = self().called("event_record")) return status;
    auto point = std::make_shared<FakeDriver::Point>();
    reinterpret_cast<FakeDriver::Event*>(event)->point = point;
    self().enqueue(stream, {[point] { point->passed = true; }, nullptr, {}});
    return FL_OK;
  }
  static fl_status event_query(int32_t, fl_hal_event event) {
    Lock lock(self().mutex_);
    if (const fl_status status = self().called("event_query")) return status;
    const auto& point = reinterpret_cast<FakeDriver::Event*>(event)->point;
    return !point || point->passed ? FL_OK : FL_NOT_READY;
  }
  static fl_status event_synchronize(int32_t, fl_hal_event) {
    Lock lock(self().mutex_);
    if (const fl_status status = self().called("event_synchronize")) return status;
    self().run_all();
    return FL_OK;
  }
  static fl_status event_elapsed(int32_t, fl_hal_event, fl_hal_event, double* milliseconds) {
    *milliseconds = 2.5;
    return self().called("event_elapsed");
  }
  static fl_status host_allocate(uint64_t size, void** pointer) {
    Lock lock(self().mutex_);
    if (const fl_status status = self().called("host_allocate")) return status;
    *pointer = std::aligned_alloc(64, (size + 63) / 64 * 64);
    self().pinned_[reinterpret_cast<uint64_t>(*pointer)] = size;
    return FL_OK;
  }
  static fl_status host_release(void* pointer) {
    Lock lock(self().mutex_);
    const auto address = reinterpret_cast<uint64_t>(pointer);
    self().check_unused(address, self().pinned_[address], "pinned memory released while work uses it");
    self().pinned_.erase(address);
    std::free(pointer);
    return self().called("host_release");
  }
  static fl_status host_enqueue(int32_t, fl_hal_stream stream, void (*function)(void*), void* context) {
    Lock lock(self().mutex_);
    if (const fl_status status = self().called("host_function")) return status;
    self().enqueue(stream, {[=] { function(context); }, nullptr, {}});
    return FL_OK;
  }

  // Kernels: an image of kind "fake" is the name of its only function. "store" writes its 8 bytes to its address.
  static fl_status load(int32_t, const char*, const char*, const void* image, uint64_t size, fl_symbol_resolver, void*,
                        fl_hal_module* module) {
    Lock lock(self().mutex_);
    if (const fl_status status = self().called("load")) return status;
    auto* made = new FakeDriver::Module{{std::string(static_cast<const char*>(image), size)}};
    self().modules_.insert(made);
    *module = reinterpret_cast<fl_hal_module>(made);
    return FL_OK;
  }
  static fl_status unload(int32_t, fl_hal_module module) {
    Lock lock(self().mutex_);
    auto* gone = reinterpret_cast<FakeDriver::Module*>(module);
    self().check_not_running(gone);
    self().modules_.erase(gone);
    delete gone;
    return self().called("unload");
  }
  static fl_status function(int32_t, fl_hal_module module, const char* name, fl_hal_function* function) {
    Lock lock(self().mutex_);
    if (const fl_status status = self().called("function")) return status;
    auto* owner = reinterpret_cast<FakeDriver::Module*>(module);
    if (!owner->functions.count(name)) return FakeDriver::refuse(FL_INVALID_ARGUMENT, "the image has no such function");
    self().functions_.push_back({owner, name});
    *function = reinterpret_cast<fl_hal_function>(&self().functions_.back());
    return FL_OK;
  }
  static fl_status launch(int32_t, fl_hal_stream stream, fl_hal_function function, const fl_launch_config*,
                          const fl_arg* args, uint32_t arg_count) {
    Lock lock(self().mutex_);
    if (const fl_status status = self().called("launch")) return status;
    if (arg_count != 2) return FakeDriver::refuse(FL_INVALID_ARGUMENT, "store takes an address and 8 bytes");
    fl_addr address = 0;
    uint64_t value = 0;
    std::memcpy(&address, args[0].data, 8);
    std::memcpy(&value, args[1].data, 8);
    FakeDriver::Work work;
    work.action = [=] { std::memcpy(self().host_view(address), &value, 8); };
    work.uses = {{address, 8}};
    work.module = reinterpret_cast<FakeDriver::Function*>(function)->module;
    self().enqueue(stream, std::move(work));
    return FL_OK;
  }

  static const void* group(const char* name) {
    static const char* const kinds[] = {"fake", nullptr};
    static const fl_hal_module1 module = {sizeof(module), kinds, load, unload, function, launch};
    static const fl_hal_hostfunc1 hostfunc = {sizeof(hostfunc), host_enqueue};
    static const fl_hal_peer1 peer = {sizeof(peer), peer_copy};
    if (self().has_module && std::strcmp(name, "module/1") == 0) return &module;
    if (self().has_hostfunc && std::strcmp(name, "hostfunc/1") == 0) return &hostfunc;
    if (self().has_peer && std::strcmp(name, "peer/1") == 0) return &peer;
    return nullptr;
  }

  static fl_driver table(const char* name) {
    fl_driver t{};
    t.struct_size = sizeof(t);
    t.abi_version = FL_HAL_VERSION;
    t.capabilities = self().capabilities;
    t.name = name;
    t.version = "1.2";
    t.last_error = [] { return FakeDriver::last_error_text().c_str(); };
    t.group = group;
    t.device_count = device_count;
    t.device_info = device_info;
    t.device_synchronize = device_synchronize;
    t.allocate = allocate;
    t.release = release;
    t.memory_info = memory_info;
    t.copy = copy;
    t.fill = fill;
    t.stream_create = stream_create;
    t.stream_destroy = stream_destroy;
    t.stream_query = stream_query;
    t.stream_synchronize = stream_synchronize;
    t.stream_wait = stream_wait;
    t.stream_native = stream_native;
    t.event_create = event_create;
    t.event_destroy = event_destroy;
    t.event_record = event_record;
    t.event_query = event_query;
    t.event_synchronize = event_synchronize;
    t.event_elapsed = event_elapsed;
    t.host_allocate = host_allocate;
    t.host_release = host_release;
    return t;
  }
};

// The entries of two fakes, named "fake" and "other".
inline fl_status fake_entry(const fl_driver_host*, const fl_driver** driver, char*, size_t) {
  static fl_driver table;
  table = FakeTable<0>::table("fake");
  *driver = &table;
  return FL_OK;
}
inline fl_status other_entry(const fl_driver_host*, const fl_driver** driver, char*, size_t) {
  static fl_driver table;
  table = FakeTable<1>::table("other");
  *driver = &table;
  return FL_OK;
}

}  // namespace fl::test

#endif  // FLAGOS_TESTS_FAKE_DRIVER_TABLE_H_
