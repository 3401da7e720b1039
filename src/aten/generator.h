// The random generator of a device. See Note [Two engines] in generator.cc.
#pragma once

#include <ATen/core/Generator.h>

#include <utility>

#include "aten/current.h"

namespace flagos {

// True when FLAGOS_RNG=cpu: results equal the CPU's, bit for bit.
bool cpu_engine();

// The default generator of a device; the same object each time.
const at::Generator& default_generator(c10::DeviceIndex device);
// Seeds every default generator, also those of devices that are found later; finds no devices itself.
void seed_all(uint64_t seed);
at::Generator new_generator(c10::DeviceIndex device);

// Philox: takes `advance` units of the offset and returns (seed, offset before). Thread-safe. `generator` none: the
// default one of `device`. Throws TypeError-like ValueError for a generator of another device type.
std::pair<uint64_t, uint64_t> take_random(const std::optional<at::Generator>& generator, c10::DeviceIndex device,
                                          uint64_t advance);

// The CPU generator that stands in for `generator` while a CPU kernel draws: the CPU engine itself under
// FLAGOS_RNG=cpu, else a fresh one seeded from (seed, offset), which advances the offset by 4.
at::Generator host_stand_in(const std::optional<at::Generator>& generator, c10::DeviceIndex device);

}  // namespace flagos
