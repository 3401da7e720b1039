// Objects of the simulated accelerator that go with the scope, and its builtin kernels, for the tests below.
#ifndef FLAGOS_TESTS_DRIVERS_SIM_OBJECTS_H_
#define FLAGOS_TESTS_DRIVERS_SIM_OBJECTS_H_

#include "linked_drivers.h"

namespace fl {

inline const fl_sim1& sim_control() { return group_of<fl_sim1>(sim_driver(), FL_SIM1); }

struct SimStream {
  int32_t device;
  fl_hal_stream handle = nullptr;
  explicit SimStream(int32_t on = 0) : device(on) {
    EXPECT_DONE(sim_driver(), sim_driver().stream_create(device, 0, &handle));
  }
  ~SimStream() { EXPECT_DONE(sim_driver(), sim_driver().stream_destroy(device, handle)); }
  SimStream(const SimStream&) = delete;
  fl_status query() const { return sim_driver().stream_query(device, handle); }
  void synchronize() const { EXPECT_DONE(sim_driver(), sim_driver().stream_synchronize(device, handle)); }
};

struct SimEvent {
  int32_t device;
  fl_hal_event handle = nullptr;
  explicit SimEvent(int32_t on = 0) : device(on) {
    EXPECT_DONE(sim_driver(), sim_driver().event_create(device, 1, &handle));
  }
  ~SimEvent() { EXPECT_DONE(sim_driver(), sim_driver().event_destroy(device, handle)); }
  SimEvent(const SimEvent&) = delete;
  void record(const SimStream& stream) const {
    EXPECT_DONE(sim_driver(), sim_driver().event_record(device, handle, stream.handle));
  }
  void hold(const SimStream& stream) const {
    EXPECT_DONE(sim_driver(), sim_driver().stream_wait(device, stream.handle, handle));
  }
};

struct SimMemory {
  int32_t device;
  fl_addr at = 0;
  explicit SimMemory(uint64_t size, int32_t on = 0) : device(on) {
    EXPECT_DONE(sim_driver(), sim_driver().allocate(device, size, &at));
  }
  ~SimMemory() { EXPECT_DONE(sim_driver(), sim_driver().release(device, at)); }
  SimMemory(const SimMemory&) = delete;
};

template <typename T>
struct SimPinned {
  T* data = nullptr;
  explicit SimPinned(uint64_t count) {
    void* pointer = nullptr;
    EXPECT_DONE(sim_driver(), sim_driver().host_allocate(count * sizeof(T), &pointer));
    data = static_cast<T*>(pointer);
  }
  ~SimPinned() { EXPECT_DONE(sim_driver(), sim_driver().host_release(data)); }
  SimPinned(const SimPinned&) = delete;
};

// The builtin kernels of one device.
class SimKernels {
 public:
  explicit SimKernels(int32_t device = 0)
      : device_(device), group_(group_of<fl_hal_module1>(sim_driver(), "module/1")) {
    EXPECT_DONE(sim_driver(), group_.load(device, "builtin", "builtin", nullptr, 0, nullptr, nullptr, &module_));
  }
  ~SimKernels() { EXPECT_DONE(sim_driver(), group_.unload(device_, module_)); }
  SimKernels(const SimKernels&) = delete;

  fl_status launch(const char* name, const SimStream& stream, const std::vector<fl_arg>& args,
                   uint32_t programs = 1) const {
    fl_hal_function function = nullptr;
    EXPECT_DONE(sim_driver(), group_.function(device_, module_, name, &function));
    const fl_launch_config config = {sizeof(config), {programs, 1, 1}, {1, 1, 1}, 0, 0, 0};
    return group_.launch(device_, stream.handle, function, &config, args.data(), static_cast<uint32_t>(args.size()));
  }
  void fill(const SimStream& stream, fl_addr dst, uint64_t count, float value, uint32_t programs = 1) const {
    EXPECT_DONE(sim_driver(),
                launch("fill", stream,
                       {{FL_ARG_ADDRESS, 8, &dst}, {FL_ARG_BYTES, 8, &count}, {FL_ARG_BYTES, 4, &value}}, programs));
  }
  void axpy(const SimStream& stream, fl_addr y, fl_addr x, float a, uint64_t count, uint32_t programs = 1) const {
    EXPECT_DONE(
        sim_driver(),
        launch("axpy", stream,
               {{FL_ARG_ADDRESS, 8, &y}, {FL_ARG_ADDRESS, 8, &x}, {FL_ARG_BYTES, 4, &a}, {FL_ARG_BYTES, 8, &count}},
               programs));
  }
  void gate(const SimStream& stream, uint64_t number) const {
    EXPECT_DONE(sim_driver(), launch("gate", stream, {{FL_ARG_BYTES, 8, &number}}));
  }

 private:
  int32_t device_;
  const fl_hal_module1& group_;
  fl_hal_module module_ = nullptr;
};

// A gate that is closed now and open when the scope ends, so that a failing test does not hang.
struct ClosedGate {
  uint64_t number;
  ClosedGate() : number(next()++) {}
  ~ClosedGate() { open(); }
  ClosedGate(const ClosedGate&) = delete;
  void open() const { EXPECT_DONE(sim_driver(), sim_control().open_gate(number)); }

 private:
  static uint64_t& next() {
    static uint64_t number = 1;
    return number;
  }
};

}  // namespace fl
#endif  // FLAGOS_TESTS_DRIVERS_SIM_OBJECTS_H_
