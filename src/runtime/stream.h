// Streams: the default one and pools of 32 for each priority of a device, made when first asked for, alive as long as
// the process.
#ifndef FLAGOS_RUNTIME_STREAM_H_
#define FLAGOS_RUNTIME_STREAM_H_

#include <array>
#include <atomic>
#include <mutex>

#include "flagos/runtime.h"

namespace fl::runtime {
class Device;
struct StreamMemory;
}  // namespace fl::runtime

struct fl_stream {
  fl::runtime::Device* device;
  fl_hal_stream handle;  // null: the driver's default stream
  int32_t id;
  int32_t priority;
  // The blocks that this stream has freed; made by the block pool with the stream's first block.
  std::atomic<fl::runtime::StreamMemory*> memory{nullptr};
};

namespace fl::runtime {

class StreamTable {
 public:
  static constexpr int32_t kPoolSize = 32;  // a device and priority; what PyTorch's own stream ids can tell apart
  // Priorities 0 (normal) to -3 (most urgent); what lies outside is taken as the nearest, as CUDA does.
  static constexpr int32_t kPriorities = 4;
  static constexpr int32_t kStreams = 1 + kPoolSize * kPriorities;  // ids 0 .. 128; 0 is the default stream

  explicit StreamTable(Device& device);
  ~StreamTable();

  fl_stream* default_stream() { return &default_; }
  // The next of the pool in turn.
  fl_stream* from_pool(int32_t priority);
  // Null when no stream of that id was ever handed out. No lock.
  fl_stream* from_id(int64_t id) const;

  void lock_for_fork() { mutex_.lock(); }
  void unlock_after_fork() { mutex_.unlock(); }

 private:
  Device& device_;
  fl_stream default_;
  std::mutex mutex_;  // making a stream
  std::array<std::atomic<fl_stream*>, kStreams> streams_{};
  std::array<std::atomic<uint32_t>, kPriorities> next_{};
};

// The host's side of a stream. Each throws what the driver answers.
fl_status query(fl_stream* stream);  // FL_OK or FL_NOT_READY
void synchronize(fl_stream* stream);
// Work that is enqueued on `waiter` from now on runs after what `other` holds now. The host does not block, unless the
// streams are of different devices, whose handles no driver takes together.
void order_after(fl_stream* waiter, fl_stream* other);

}  // namespace fl::runtime

#endif  // FLAGOS_RUNTIME_STREAM_H_
