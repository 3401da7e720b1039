// Pinned host memory, cached: what copies to and from a device run asynchronously with.
//
// It comes from the driver of flagos:0; a copy of another driver treats it as ordinary memory, which is right though
// not asynchronous. Sizes are powers of two from 512 bytes, so that batches of similar size meet the same blocks. A
// block that streams were recorded on is used again only after they have passed.
#ifndef FLAGOS_RUNTIME_PINNED_H_
#define FLAGOS_RUNTIME_PINNED_H_

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "flagos/runtime.h"
#include "runtime/deferred.h"

namespace fl::runtime {

class Device;

class PinnedPool {
 public:
  PinnedPool();
  ~PinnedPool();
  // The device whose driver the memory comes from, or null when there is none. Before any other call.
  void attach(Device* device) { device_ = device; }

  void* allocate(uint64_t size);
  void release(void* pointer) noexcept;
  bool contains(const void* pointer);
  // True when the pointer lies in a live block; its memory is then kept until `stream` has passed this point.
  bool record_stream(const void* pointer, fl_stream* stream);
  void trim();
  fl_pinned_stats stats();
  void reset_peak();
  void reset_accumulated();

  void lock_for_fork();
  void unlock_after_fork();

 private:
  struct Block {
    uintptr_t address;
    uint64_t size;
    bool live;
    std::vector<fl_stream*> users;
  };

  static constexpr int kSizes = 64;  // by the power of two

  Device& device() const;
  Block* live_block(const void* pointer);  // with mutex_ held
  void put_back(Block* block);
  void reuse(const std::vector<void*>& ready);

  Device* device_ = nullptr;
  Deferred deferred_;
  // The range in which all blocks lie: most pointers that `contains` is asked about are outside of it.
  std::atomic<uintptr_t> lowest_{UINTPTR_MAX}, highest_{0};

  std::mutex mutex_;  // all below
  std::map<uintptr_t, std::unique_ptr<Block>> blocks_;
  std::vector<Block*> free_[kSizes];
  fl_pinned_stats stats_{};
};

}  // namespace fl::runtime

#endif  // FLAGOS_RUNTIME_PINNED_H_
