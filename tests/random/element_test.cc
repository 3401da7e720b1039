#include "random/element.h"

#include <gtest/gtest.h>

#include <cmath>

namespace fl::random {
namespace {

// Every 16-bit value there is, read and rounded back; and between each two neighbours the midpoint, which must go to
// the even one, and the floats beside the midpoint, which must go to the nearer one.
template <class T>
void check_all_values(uint16_t infinity) {
  for (uint32_t bits = 0; bits < infinity; ++bits) {
    for (uint16_t sign : {0, 0x8000}) {
      const T value{static_cast<uint16_t>(bits | sign)}, next{static_cast<uint16_t>((bits + 1) | sign)};
      const float a = widened(value);
      ASSERT_EQ(rounded<T>(a).bits, value.bits);
      if (bits + 1 == infinity) continue;
      const float b = widened(next), middle = a + (b - a) / 2;
      ASSERT_EQ(rounded<T>(middle).bits, (bits % 2 == 0 ? value : next).bits) << middle;
      if (middle == 0x1p-134f || middle == -0x1p-134f) continue;  // a subnormal float: its neighbours are far away
      ASSERT_EQ(rounded<T>(std::nextafter(middle, a)).bits, value.bits) << middle;
      ASSERT_EQ(rounded<T>(std::nextafter(middle, b)).bits, next.bits) << middle;
    }
  }
  const float huge = std::numeric_limits<float>::infinity();
  EXPECT_EQ(rounded<T>(huge).bits, infinity);
  EXPECT_EQ(rounded<T>(-huge).bits, infinity | 0x8000);
  EXPECT_EQ(widened(T{infinity}), huge);
  EXPECT_EQ(rounded<T>(std::numeric_limits<float>::max()).bits, infinity);
  EXPECT_TRUE(std::isnan(widened(rounded<T>(std::nanf("")))));
  EXPECT_TRUE(std::isnan(widened(rounded<T>(-std::nanf("")))));
}

TEST(Element, float16_is_read_and_rounded_exactly) {
  check_all_values<Half>(0x7c00);
  EXPECT_EQ(widened(Half{0x3c00}), 1.0f);
  EXPECT_EQ(widened(Half{0x0001}), 0x1p-24f);
  EXPECT_EQ(rounded<Half>(65519.996f).bits, 0x7bff);
  EXPECT_EQ(rounded<Half>(65520.0f).bits, 0x7c00);
}

TEST(Element, bfloat16_is_read_and_rounded_exactly) {
  check_all_values<BFloat16>(0x7f80);
  EXPECT_EQ(widened(BFloat16{0x3f80}), 1.0f);
}

TEST(Element, next_below_is_the_neighbour) {
  EXPECT_EQ(next_below<float>(1.0f), std::nextafter(1.0f, 0.0f));
  EXPECT_EQ(next_below<float>(-1.0f), std::nextafter(-1.0f, -2.0f));
  EXPECT_EQ(next_below<double>(0.0), -std::numeric_limits<double>::denorm_min());
  EXPECT_EQ(next_below<Half>(1.0f), 1.0f - 0x1p-11f);
  EXPECT_EQ(next_below<BFloat16>(-1.0f), -1.0f - 0x1p-7f);
  EXPECT_EQ(next_below<Half>(0.0f), -0x1p-24f);
}

}  // namespace
}  // namespace fl::random
