// The signatures that a target has refused for good, for one operator on one driver: a failed compile is not tried
// again at each call. Found without a lock; what is replaced stays, for another thread may be reading it.
#ifndef FLAGOS_ROUTING_REFUSALS_H_
#define FLAGOS_ROUTING_REFUSALS_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace fl::routing {

struct Refusal {
  int32_t target;
  int32_t generation;  // of the target's declaration: a target declared anew is asked again
  uint64_t signature;
  std::string why;
};

class Refusals {
 public:
  bool empty() const { return table_.load(std::memory_order_acquire) == nullptr; }
  const Refusal* find(int32_t target, int32_t generation, uint64_t signature) const;

  // These three under the router's lock.
  void add(Refusal refusal);
  void forget();
  std::vector<const Refusal*> of(int32_t target, int32_t generation) const;

 private:
  // Open addressing with linear probing, at most half full. A reader sees a slot empty or complete.
  struct Table {
    explicit Table(size_t size) : mask(size - 1), slots(new std::atomic<const Refusal*>[size]()) {}
    size_t mask;
    size_t used = 0;
    std::unique_ptr<std::atomic<const Refusal*>[]> slots;
    void insert(const Refusal* refusal);
  };

  std::atomic<const Table*> table_{nullptr};
  std::vector<std::unique_ptr<Table>> tables_;  // the last one is in force unless forgotten
  std::vector<std::unique_ptr<const Refusal>> all_;
};

}  // namespace fl::routing

#endif  // FLAGOS_ROUTING_REFUSALS_H_
