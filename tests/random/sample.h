// Calls of the public functions whose results the tests read as doubles, whatever the dtype.
#ifndef FLAGOS_TESTS_RANDOM_SAMPLE_H_
#define FLAGOS_TESTS_RANDOM_SAMPLE_H_

#include <gtest/gtest.h>

#include <cstring>
#include <vector>

#include "random/dtype.h"
#include "random/element.h"

namespace fl::random::testing {

constexpr fl_dtype kFloatingDtypes[] = {FL_FLOAT16, FL_BFLOAT16, FL_FLOAT32, FL_FLOAT64};
constexpr fl_dtype kDtypes[] = {FL_BOOL,   FL_UINT8, FL_INT8,    FL_UINT16,   FL_INT16,   FL_UINT32, FL_INT32,
                                FL_UINT64, FL_INT64, FL_FLOAT16, FL_BFLOAT16, FL_FLOAT32, FL_FLOAT64};

// Bytes of `count` elements, beginning with a pattern that no kernel writes by chance in all of them.
inline std::vector<char> memory(fl_dtype dtype, int64_t count) {
  return std::vector<char>(static_cast<size_t>(count) * traits_of(dtype)->size, '\x5b');
}

inline std::vector<double> as_doubles(fl_dtype dtype, const std::vector<char>& bytes) {
  std::vector<double> values;
  with_element(dtype, [&](auto tag) {
    using T = decltype(tag);
    for (size_t at = 0; at < bytes.size(); at += sizeof(T)) {
      T x;
      std::memcpy(&x, bytes.data() + at, sizeof x);
      if constexpr (kFloating<T>)
        values.push_back(static_cast<double>(widened(x)));
      else
        values.push_back(static_cast<double>(x));
    }
  });
  return values;
}

// As `dtype` stores them.
inline std::vector<char> from_doubles(fl_dtype dtype, const std::vector<double>& values) {
  std::vector<char> bytes;
  with_floating(dtype, [&](auto tag) {
    using T = decltype(tag);
    for (double value : values) {
      const T x = rounded<T>(static_cast<Computed<T>>(value));
      bytes.insert(bytes.end(), reinterpret_cast<const char*>(&x), reinterpret_cast<const char*>(&x) + sizeof x);
    }
  });
  return bytes;
}

// The bytes that call(span, dtype, out) writes.
template <class Call>
std::vector<char> bytes_of(const fl_random_span& span, fl_dtype dtype, Call call) {
  std::vector<char> out = memory(dtype, span.count);
  EXPECT_EQ(call(&span, dtype, out.data()), FL_OK) << fl_last_error();
  return out;
}

// The next value above x in a floating dtype.
inline double next_above(fl_dtype dtype, double x) {
  double next = 0;
  with_floating(dtype, [&](auto tag) {
    using T = decltype(tag);
    next = -static_cast<double>(next_below<T>(static_cast<Computed<T>>(-x)));
  });
  return next;
}

}  // namespace fl::random::testing

#endif  // FLAGOS_TESTS_RANDOM_SAMPLE_H_
