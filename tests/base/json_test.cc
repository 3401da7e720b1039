#include "base/json.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace {

struct Collected {
  std::string text;
  int pieces = 0;
};

void collect(void* context, const char* text, size_t size) {
  auto* collected = static_cast<Collected*>(context);
  collected->text.append(text, size);
  ++collected->pieces;
}

template <class Body>
std::string written(Body body) {
  Collected collected;
  {
    fl::JsonWriter json(collect, &collected);
    body(json);
  }
  return collected.text;
}

TEST(Json, writes_nested_values_with_commas_where_they_belong) {
  const std::string text = written([](fl::JsonWriter& json) {
    json.begin_object().member("a", 1).key("list").begin_array().value(true).null().begin_object().end_object();
    json.begin_array().end_array().value("x").end_array().member("last", false).end_object();
  });
  EXPECT_EQ(text, R"({"a":1,"list":[true,null,{},[],"x"],"last":false})");
}

TEST(Json, escapes_what_json_reserves) {
  EXPECT_EQ(written([](fl::JsonWriter& json) { json.value("a\"b\\c\nd\te\x01\x7F/"); }),
            R"("a\"b\\c\nd\u0009e\u0001\u007f/")");
}

TEST(Json, keeps_utf8_and_replaces_what_is_none) {
  EXPECT_EQ(written([](fl::JsonWriter& json) { json.value("\xC3\xA4\xE2\x82\xAC\xF0\x9F\x98\x80"); }),
            "\"\xC3\xA4\xE2\x82\xAC\xF0\x9F\x98\x80\"");
  const std::string lost = "\xEF\xBF\xBD";
  for (const char* bad : {"\xFF", "\xC3", "\xC0\x80", "\xED\xA0\x80", "\xF4\x90\x80\x80", "\xE2\x82"}) {
    std::string expected = "\"";
    for (size_t count = std::string(bad).size(); count > 0; --count) expected += lost;
    EXPECT_EQ(written([&](fl::JsonWriter& json) { json.value(bad); }), expected + "\"");
  }
}

TEST(Json, numbers_are_exact_and_what_is_no_number_is_null) {
  EXPECT_EQ(written([](fl::JsonWriter& json) { json.value(std::numeric_limits<uint64_t>::max()); }),
            "18446744073709551615");
  EXPECT_EQ(written([](fl::JsonWriter& json) { json.value(std::numeric_limits<int64_t>::min()); }),
            "-9223372036854775808");
  EXPECT_EQ(written([](fl::JsonWriter& json) { json.value(0.1); }), "0.1");
  EXPECT_EQ(written([](fl::JsonWriter& json) { json.value(1e300); }), "1e+300");
  EXPECT_EQ(written([](fl::JsonWriter& json) { json.begin_array().value(NAN).value(-INFINITY).end_array(); }),
            "[null,null]");
}

TEST(Json, a_null_pointer_is_null) {
  EXPECT_EQ(written([](fl::JsonWriter& json) { json.value(static_cast<const char*>(nullptr)); }), "null");
}

TEST(Json, a_long_document_goes_out_in_pieces) {
  Collected collected;
  {
    fl::JsonWriter json(collect, &collected);
    json.begin_array();
    for (int number = 0; number < 5000; ++number) json.value(number);
    json.end_array();
  }
  EXPECT_GT(collected.pieces, 3);
  EXPECT_EQ(collected.text.substr(0, 10), "[0,1,2,3,4");
  EXPECT_EQ(collected.text.substr(collected.text.size() - 11), ",4998,4999]");
}

}  // namespace
