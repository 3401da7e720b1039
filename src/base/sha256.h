// SHA-256 (FIPS 180-4): names and checks what lies in caches on disk.
#ifndef FLAGOS_BASE_SHA256_H_
#define FLAGOS_BASE_SHA256_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace fl {

using Sha256 = std::array<uint8_t, 32>;

Sha256 sha256(std::string_view bytes);

// 64 lower-case hexadecimal digits.
std::string hex(const Sha256& digest);

}  // namespace fl

#endif  // FLAGOS_BASE_SHA256_H_
