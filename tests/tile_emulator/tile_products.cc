// The sums of products, in the order that the definition gives; columns are independent of one another, and so lanes of
// vectors. The rows and columns beyond the shape of the sums become zeros.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "tile_state.h"

// The processor's widest vectors, whatever the build is for: a product of 1024 rows takes 65536 instructions or more.
// Under ThreadSanitizer which version runs would be resolved before its runtime is there.
#if defined(__SANITIZE_THREAD__)
#define FLAGOS_TILE_LOOPS
#else
#define FLAGOS_TILE_LOOPS [[gnu::target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")]]
#endif

namespace tile_emulator {
namespace {

constexpr int kColumns = kMostBytes / 4;

// Of the right factor: plane i has element i of each dword, [row][column].
template <class T, int kElements>
struct Planes {
  alignas(64) T value[kElements][kMostRows][kColumns];
};

template <class T>
void write_sums(TileState& state, int sum, const T (&rows)[kMostRows][kColumns]) {
  static_assert(sizeof rows == sizeof state.data[0]);
  std::memset(state.data[sum], 0, sizeof state.data[sum]);
  for (int m = 0; m < state.rows[sum]; ++m) std::memcpy(state.data[sum][m], rows[m], state.row_bytes[sum]);
}

FLAGOS_TILE_LOOPS void multiply_bf16(const Planes<float, 2>& right, const float* left, int depth, float* sums) {
  alignas(64) float parts[2][kColumns] = {};
  for (int k = 0; k < depth; ++k)
    for (int i = 0; i < 2; ++i)
      for (int n = 0; n < kColumns; ++n)
        parts[i][n] = __builtin_fmaf(left[2 * k + i], right.value[i][k][n], parts[i][n]);
  for (int n = 0; n < kColumns; ++n) sums[n] = sums[n] + (parts[0][n] + parts[1][n]);
}

FLAGOS_TILE_LOOPS void multiply_bytes(const Planes<int32_t, 4>& right, const int32_t* left, int depth, uint32_t* sums) {
  for (int k = 0; k < depth; ++k)
    for (int i = 0; i < 4; ++i)
      for (int n = 0; n < kColumns; ++n) sums[n] += static_cast<uint32_t>(left[4 * k + i] * right.value[i][k][n]);
}

float float_of(const uint8_t* bf16) {
  uint16_t half = 0;
  std::memcpy(&half, bf16, sizeof half);
  const uint32_t bits = uint32_t{half} << 16;
  float value = 0;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

int32_t integer_of(uint8_t byte, bool is_signed) { return is_signed ? static_cast<int8_t>(byte) : byte; }

}  // namespace

void dot_bf16(TileState& state, int sum, int left, int right) {
  Planes<float, 2> planes;
  const int depth = state.rows[right];
  for (int k = 0; k < depth; ++k)
    for (int n = 0; n < kColumns; ++n)
      for (int i = 0; i < 2; ++i) planes.value[i][k][n] = float_of(state.data[right][k] + 4 * n + 2 * i);
  alignas(64) float sums[kMostRows][kColumns];
  std::memcpy(sums, state.data[sum], sizeof sums);
  for (int m = 0; m < state.rows[sum]; ++m) {
    float row[2 * kColumns];
    for (int k = 0; k < 2 * depth; ++k) row[k] = float_of(state.data[left][m] + 2 * k);
    multiply_bf16(planes, row, depth, sums[m]);
  }
  write_sums(state, sum, sums);
}

void dot_bytes(TileState& state, int sum, int left, int right, bool left_is_signed, bool right_is_signed) {
  Planes<int32_t, 4> planes;
  const int depth = state.rows[right];
  for (int k = 0; k < depth; ++k)
    for (int n = 0; n < kColumns; ++n)
      for (int i = 0; i < 4; ++i) planes.value[i][k][n] = integer_of(state.data[right][k][4 * n + i], right_is_signed);
  alignas(64) uint32_t sums[kMostRows][kColumns];
  std::memcpy(sums, state.data[sum], sizeof sums);
  for (int m = 0; m < state.rows[sum]; ++m) {
    int32_t row[4 * kColumns];
    for (int k = 0; k < 4 * depth; ++k) row[k] = integer_of(state.data[left][m][k], left_is_signed);
    multiply_bytes(planes, row, depth, sums[m]);
  }
  write_sums(state, sum, sums);
}

}  // namespace tile_emulator
