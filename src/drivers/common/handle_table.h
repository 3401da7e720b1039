// A table that turns a driver's objects into handles, and handles back into objects, without trusting the handle.
//
// A handle is a number in the shape of a pointer: the kind of object, a slot and the slot's generation. Looking one up
// takes no lock and never reads memory that a wrong handle points to, so that a stale, foreign or invented handle is an
// error and not a crash. Slots are reused, their memory stays as long as the table. It does not count references: using
// an object in one thread while another removes it stays the caller's mistake, as the contract in hal.h says.
#ifndef FLAGOS_DRIVERS_COMMON_HANDLE_TABLE_H_
#define FLAGOS_DRIVERS_COMMON_HANDLE_TABLE_H_

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <new>
#include <utility>
#include <vector>

namespace fl::drivers {

// Kind and driver of an object, so that an event is never taken for a stream, nor the host's stream for another's.
enum class HandleKind : uint64_t {
  kHostStream = 1,
  kHostEvent,
  kHostModule,
  kHostFunction,
  kSimStream,
  kSimEvent,
  kSimModule,
  kSimFunction,
};

template <typename Object, typename Handle, HandleKind kKind>
class HandleTable {
 public:
  HandleTable() = default;
  HandleTable(const HandleTable&) = delete;
  HandleTable& operator=(const HandleTable&) = delete;
  ~HandleTable() {
    for (uint32_t chunk = 0; chunk < chunk_count_; ++chunk) delete chunks_[chunk].load(std::memory_order_relaxed);
  }

  // Throws std::bad_alloc when there is no room: memory, or 2^20 objects alive at once.
  Handle insert(Object object) {
    std::lock_guard lock(mutex_);
    if (free_.empty()) grow();
    const uint32_t index = free_.back();
    Slot& slot = slot_at(index);
    new (slot.storage) Object(std::move(object));
    free_.pop_back();
    const uint64_t generation = slot.generation.load(std::memory_order_relaxed) + 1;
    slot.generation.store(generation, std::memory_order_release);
    return reinterpret_cast<Handle>((generation << (kKindBits + kIndexBits)) | (uint64_t{index} << kKindBits) |
                                    static_cast<uint64_t>(kKind));
  }

  // nullptr unless the handle is of this kind and its object is alive. Lock-free.
  Object* find(Handle handle) const noexcept {
    Slot* slot = live_slot(reinterpret_cast<uint64_t>(handle));
    return slot ? slot->object() : nullptr;
  }

  // Takes the object out; false when the handle was not alive. Of two threads that remove one handle, one gets true.
  bool remove(Handle handle, Object* removed) {
    std::lock_guard lock(mutex_);
    const uint64_t value = reinterpret_cast<uint64_t>(handle);
    Slot* slot = live_slot(value);
    if (!slot) return false;
    free_.push_back(index_of(value));
    slot->generation.fetch_add(1, std::memory_order_acq_rel);
    *removed = std::move(*slot->object());
    slot->object()->~Object();
    return true;
  }

  // What pthread_atfork needs: a child must not inherit the mutex locked by a thread that it does not have.
  void lock_for_fork() { mutex_.lock(); }
  void unlock_after_fork() { mutex_.unlock(); }

 private:
  static constexpr uint32_t kKindBits = 4, kIndexBits = 20, kChunkBits = 8;
  static constexpr uint32_t kChunkSize = 1u << kChunkBits, kChunks = 1u << (kIndexBits - kChunkBits);

  struct Slot {
    std::atomic<uint64_t> generation{0};  // odd while an object lives here
    alignas(Object) unsigned char storage[sizeof(Object)];
    Object* object() { return std::launder(reinterpret_cast<Object*>(storage)); }
    ~Slot() {
      if (generation.load(std::memory_order_relaxed) % 2 == 1) object()->~Object();
    }
  };
  using Chunk = std::array<Slot, kChunkSize>;

  static uint32_t index_of(uint64_t value) {
    return static_cast<uint32_t>(value >> kKindBits) & ((1u << kIndexBits) - 1);
  }

  Slot& slot_at(uint32_t index) const {
    return (*chunks_[index >> kChunkBits].load(std::memory_order_acquire))[index & (kChunkSize - 1)];
  }

  Slot* live_slot(uint64_t value) const noexcept {
    const uint32_t index = index_of(value);
    const uint64_t generation = value >> (kKindBits + kIndexBits);
    if ((value & ((1u << kKindBits) - 1)) != static_cast<uint64_t>(kKind) || generation % 2 == 0) return nullptr;
    if (!chunks_[index >> kChunkBits].load(std::memory_order_acquire)) return nullptr;
    Slot& slot = slot_at(index);
    return slot.generation.load(std::memory_order_acquire) == generation ? &slot : nullptr;
  }

  void grow() {
    if (chunk_count_ == kChunks) throw std::bad_alloc();
    free_.reserve(free_.size() + (chunk_count_ + 1) * kChunkSize);  // so that remove never allocates
    chunks_[chunk_count_].store(new Chunk(), std::memory_order_release);
    for (uint32_t i = kChunkSize; i-- > 0;) free_.push_back(chunk_count_ * kChunkSize + i);
    ++chunk_count_;
  }

  std::mutex mutex_;
  std::array<std::atomic<Chunk*>, kChunks> chunks_{};
  uint32_t chunk_count_ = 0;
  std::vector<uint32_t> free_;
};

}  // namespace fl::drivers
#endif  // FLAGOS_DRIVERS_COMMON_HANDLE_TABLE_H_
