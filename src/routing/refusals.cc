// A table that readers probe while one writer adds to it or replaces it by a larger one.
#include "routing/refusals.h"

#include <utility>

namespace fl::routing {
namespace {

// The finaliser of MurmurHash3 (fmix64): every bit of the key moves every bit of the result.
uint64_t mixed(uint64_t key) {
  key = (key ^ (key >> 33)) * 0xff51afd7ed558ccdull;
  key = (key ^ (key >> 33)) * 0xc4ceb9fe1a85ec53ull;
  return key ^ (key >> 33);
}

size_t first_slot(int32_t target, uint64_t signature, size_t mask) {
  return static_cast<size_t>(mixed(signature ^ mixed(static_cast<uint32_t>(target)))) & mask;
}

constexpr size_t kFirstTableSize = 16;

}  // namespace

void Refusals::Table::insert(const Refusal* refusal) {
  size_t slot = first_slot(refusal->target, refusal->signature, mask);
  while (slots[slot].load(std::memory_order_relaxed) != nullptr) slot = (slot + 1) & mask;
  slots[slot].store(refusal, std::memory_order_release);
  ++used;
}

const Refusal* Refusals::find(int32_t target, int32_t generation, uint64_t signature) const {
  const Table* table = table_.load(std::memory_order_acquire);
  if (table == nullptr) return nullptr;
  for (size_t slot = first_slot(target, signature, table->mask);; slot = (slot + 1) & table->mask) {
    const Refusal* refusal = table->slots[slot].load(std::memory_order_acquire);
    if (refusal == nullptr) return nullptr;
    if (refusal->target == target && refusal->generation == generation && refusal->signature == signature)
      return refusal;
  }
}

void Refusals::add(Refusal refusal) {
  if (find(refusal.target, refusal.generation, refusal.signature) != nullptr) return;  // another thread was first
  all_.push_back(std::make_unique<const Refusal>(std::move(refusal)));
  Table* table = empty() ? nullptr : tables_.back().get();
  if (table != nullptr && 2 * (table->used + 1) <= table->mask + 1) {
    table->insert(all_.back().get());
    return;
  }
  auto larger = std::make_unique<Table>(table == nullptr ? kFirstTableSize : 2 * (table->mask + 1));
  for (size_t slot = 0; table != nullptr && slot <= table->mask; ++slot) {
    const Refusal* old = table->slots[slot].load(std::memory_order_relaxed);
    if (old != nullptr) larger->insert(old);
  }
  larger->insert(all_.back().get());
  tables_.push_back(std::move(larger));
  table_.store(tables_.back().get(), std::memory_order_release);
}

void Refusals::forget() { table_.store(nullptr, std::memory_order_release); }

std::vector<const Refusal*> Refusals::of(int32_t target, int32_t generation) const {
  std::vector<const Refusal*> found;
  const Table* table = table_.load(std::memory_order_acquire);
  for (size_t slot = 0; table != nullptr && slot <= table->mask; ++slot) {
    const Refusal* refusal = table->slots[slot].load(std::memory_order_acquire);
    if (refusal != nullptr && refusal->target == target && refusal->generation == generation) found.push_back(refusal);
  }
  return found;
}

}  // namespace fl::routing
