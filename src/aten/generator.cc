// Note [Two engines]
// The default engine is Philox 4x32-10 with a state of 16 bytes (seed, offset), as on every accelerator: DTensor,
// FSDP's meta initialisation and FlagGems' kernels parse that layout. FLAGOS_RNG=cpu swaps in the CPU's own engine with
// its own state, so that a program's results can be compared with `cpu` bit for bit. The choice is made once a process.
#include "aten/generator.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/EmptyTensor.h>
#include <ATen/core/Tensor.h>

#include <array>
#include <atomic>
#include <cstring>
#include <mutex>
#include <string_view>
#include <vector>

#include "aten/errors.h"

namespace flagos {
namespace {

constexpr size_t kStateBytes = 16;

class Generator final : public c10::GeneratorImpl {
 public:
  Generator(c10::DeviceIndex device, uint64_t seed)
      : GeneratorImpl(c10::Device(kFlagos, device), c10::DispatchKeySet(c10::DispatchKey::PrivateUse1)), seed_(seed) {
    if (cpu_engine()) cpu_ = at::detail::createCPUGenerator(seed);
  }

  void set_current_seed(uint64_t seed) override {
    seed_ = seed;
    offset_ = 0;
    if (cpu_.defined()) cpu_.set_current_seed(seed);
  }
  uint64_t current_seed() const override { return cpu_.defined() ? cpu_.current_seed() : seed_; }
  uint64_t seed() override {
    const auto fresh = c10::detail::getNonDeterministicRandom(true);
    set_current_seed(fresh);
    return fresh;
  }
  void set_offset(uint64_t offset) override {
    require_philox("set_offset");
    offset_ = offset;
  }
  uint64_t get_offset() const override {
    require_philox("get_offset");
    return offset_;
  }

  c10::intrusive_ptr<c10::TensorImpl> get_state() const override {
    if (cpu_.defined()) return cpu_.unsafeGetGeneratorImpl()->get_state();
    auto state = at::detail::empty_cpu({static_cast<int64_t>(kStateBytes)}, c10::kByte);
    const std::array<uint64_t, 2> words{seed_, offset_};
    std::memcpy(state.mutable_data_ptr(), words.data(), kStateBytes);
    return state.getIntrusivePtr();
  }
  void set_state(const c10::TensorImpl& state) override {
    if (cpu_.defined()) {
      cpu_.unsafeGetGeneratorImpl()->set_state(state);
      return;
    }
    TORCH_CHECK_TYPE(
        state.device_type() == c10::kCPU && state.dtype() == caffe2::TypeMeta::Make<uint8_t>() && state.is_contiguous(),
        "flagos: a random state is a contiguous CPU tensor of torch.uint8");
    TORCH_CHECK_VALUE(state.numel() == static_cast<int64_t>(kStateBytes), "flagos: a random state has ", kStateBytes,
                      " bytes (seed, offset), got ", state.numel(),
                      "; a state saved under FLAGOS_RNG=cpu is restored under FLAGOS_RNG=cpu");
    std::array<uint64_t, 2> words{};
    std::memcpy(words.data(), state.data(), kStateBytes);
    seed_ = words[0];
    offset_ = words[1];
  }

  std::pair<uint64_t, uint64_t> take(uint64_t advance) {
    const std::lock_guard lock(mutex_);
    const std::pair<uint64_t, uint64_t> before{seed_, offset_};
    offset_ += advance;
    return before;
  }
  const at::Generator& cpu() const { return cpu_; }

 private:
  Generator* clone_impl() const override {
    auto* copy = new Generator(device().index(), seed_);
    copy->offset_ = offset_;
    if (cpu_.defined()) copy->cpu_ = cpu_.clone();
    return copy;
  }
  void require_philox(const char* what) const {
    TORCH_CHECK_NOT_IMPLEMENTED(
        !cpu_.defined(), "flagos: ", what,
        " needs the Philox engine; this process runs with FLAGOS_RNG=cpu, whose engine has no offset");
  }

  uint64_t seed_;
  uint64_t offset_ = 0;
  at::Generator cpu_;  // defined under FLAGOS_RNG=cpu only
};

Generator& generator_of(const std::optional<at::Generator>& generator, c10::DeviceIndex device) {
  const auto& chosen = generator && generator->defined() ? *generator : default_generator(device);
  TORCH_CHECK_VALUE(chosen.device().type() == kFlagos, "Expected a 'flagos' device type for generator but found '",
                    chosen.device().type(), "'");
  return *static_cast<Generator*>(chosen.unsafeGetGeneratorImpl());
}

// One round of SplitMix64 over both words, so that neighbouring offsets give unrelated seeds.
uint64_t mix(uint64_t seed, uint64_t offset) {
  uint64_t z = seed + 0x9E3779B97F4A7C15ull * (offset + 1);
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
  return z ^ (z >> 31);
}

}  // namespace

bool cpu_engine() {
  static const bool chosen = [] {
    const char* engine = nullptr;
    check(fl_env_get("FLAGOS_RNG", &engine));
    return engine != nullptr && std::string_view(engine) == "cpu";
  }();
  return chosen;
}

namespace {

// The default generators, each made at first use and never destroyed, and the seed of those that are made later.
struct Defaults {
  std::mutex mutex;
  uint64_t seed = c10::default_rng_seed_val;
  std::array<at::Generator, kMaxDevices> generators;
  std::array<std::atomic<bool>, kMaxDevices> made{};
};
Defaults& defaults() {
  static auto* all = new Defaults;
  return *all;
}

}  // namespace

const at::Generator& default_generator(c10::DeviceIndex device) {
  const auto index = static_cast<size_t>(resolve_device(device));
  auto& all = defaults();
  if (!all.made[index].load(std::memory_order_acquire)) {
    const std::lock_guard lock(all.mutex);
    if (!all.made[index].load(std::memory_order_relaxed)) {
      all.generators[index] = at::make_generator<Generator>(static_cast<c10::DeviceIndex>(index), all.seed);
      all.made[index].store(true, std::memory_order_release);
    }
  }
  return all.generators[index];
}

void seed_all(uint64_t seed) {
  auto& all = defaults();
  const std::lock_guard lock(all.mutex);
  all.seed = seed;
  for (size_t i = 0; i < all.generators.size(); ++i) {
    if (!all.made[i].load(std::memory_order_relaxed)) continue;
    const std::lock_guard generator_lock(all.generators[i].mutex());
    all.generators[i].set_current_seed(seed);
  }
}

at::Generator new_generator(c10::DeviceIndex device) {
  return at::make_generator<Generator>(resolve_device(device), c10::default_rng_seed_val);
}

std::pair<uint64_t, uint64_t> take_random(const std::optional<at::Generator>& generator, c10::DeviceIndex device,
                                          uint64_t advance) {
  return generator_of(generator, device).take(advance);
}

at::Generator host_stand_in(const std::optional<at::Generator>& generator, c10::DeviceIndex device) {
  auto& own = generator_of(generator, device);
  if (own.cpu().defined()) return own.cpu();
  const auto [seed, offset] = own.take(4);
  return at::detail::createCPUGenerator(mix(seed, offset));
}

}  // namespace flagos
