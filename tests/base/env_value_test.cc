#include "base/env_value.h"

#include <gtest/gtest.h>

#include <limits>
#include <set>
#include <string>

#include "base/error.h"
#include "base/text.h"

namespace {

using fl::env::Type;
using fl::env::Variable;

constexpr Variable kFlag{"FLAGOS_F", Type::kFlag, "", nullptr, "?"};
constexpr Variable kInt{"FLAGOS_I", Type::kInt, "1", "1..64", "?"};
constexpr Variable kAnyInt{"FLAGOS_A", Type::kInt, "", nullptr, "?"};
constexpr Variable kBytes{"FLAGOS_B", Type::kBytes, "", "1K..1G", "?"};
constexpr Variable kAnyBytes{"FLAGOS_BB", Type::kBytes, "", nullptr, "?"};
constexpr Variable kWord{"FLAGOS_W", Type::kWord, "", "philox|cpu", "?"};
constexpr Variable kList{"FLAGOS_L", Type::kList, "", nullptr, "?"};
constexpr Variable kWords{"FLAGOS_LW", Type::kList, "", "red|green", "?"};

// The text with which a value is refused; "" when it is taken.
std::string refusal(const Variable& variable, std::string_view value) {
  try {
    fl::env::check(variable, value);
  } catch (const fl::Error& error) {
    EXPECT_EQ(error.status(), FL_INVALID_ARGUMENT);
    return error.what();
  }
  return "";
}

TEST(EnvValue, a_flag_has_eight_spellings_in_any_case) {
  for (const char* yes : {"1", "on", "TRUE", "Yes", " 1 "}) EXPECT_TRUE(fl::env::parse_flag(kFlag, yes)) << yes;
  for (const char* no : {"0", "off", "False", "NO"}) EXPECT_FALSE(fl::env::parse_flag(kFlag, no)) << no;
  EXPECT_EQ(
      refusal(kFlag, "maybe"),
      "FLAGOS_F='maybe' cannot be used: it must be 1 or 0 (on, off, true, false, yes and no are taken too). Change or "
      "unset the variable.");
  EXPECT_NE(refusal(kFlag, "2"), "");
}

TEST(EnvValue, an_integer_stays_within_its_range) {
  EXPECT_EQ(fl::env::parse_integer(kInt, " 64 "), 64);
  EXPECT_EQ(fl::env::parse_integer(kAnyInt, "-9223372036854775808"), std::numeric_limits<int64_t>::min());
  for (const char* bad : {"0", "65", "1.5", "0x10", "ten", "1 2", "99999999999999999999", "+1", "-"}) {
    EXPECT_NE(refusal(kInt, bad).find("a whole number between 1 and 64"), std::string::npos) << bad;
  }
}

TEST(EnvValue, bytes_take_powers_of_1024) {
  EXPECT_EQ(fl::env::parse_bytes(kBytes, "4096"), 4096u);
  EXPECT_EQ(fl::env::parse_bytes(kBytes, "64K"), 65536u);
  EXPECT_EQ(fl::env::parse_bytes(kBytes, "2mb"), 2u << 20);
  EXPECT_EQ(fl::env::parse_bytes(kBytes, "1 GiB"), 1u << 30);
  EXPECT_EQ(fl::env::parse_bytes(kAnyBytes, "15T"), 15ull << 40);
  EXPECT_EQ(fl::env::parse_bytes(kAnyBytes, "18446744073709551615"), std::numeric_limits<uint64_t>::max());
}

TEST(EnvValue, bytes_that_are_none_too_many_or_too_few_are_refused) {
  for (const char* bad : {"1023", "2G", "-1", "1.5G", "64X", "64KK", "K", "16777216T", "18446744073709551616"}) {
    EXPECT_NE(refusal(kBytes, bad).find("between 1K and 1G"), std::string::npos) << bad;
  }
  EXPECT_NE(refusal(kAnyBytes, "16777216T"), "") << "2^64 does not fit";
}

TEST(EnvValue, a_word_is_one_of_its_table_and_a_near_miss_gets_a_suggestion) {
  EXPECT_EQ(refusal(kWord, "cpu"), "");
  EXPECT_NE(refusal(kWord, "philix").find("one of philox|cpu. Did you mean 'philox'?"), std::string::npos);
  EXPECT_EQ(refusal(kWord, "quantum").find("Did you mean"), std::string::npos);
}

TEST(EnvValue, a_list_has_words_between_commas) {
  EXPECT_EQ(fl::env::parse_list(kList, "sim, host,"), (std::vector<std::string>{"sim", "host"}));
  EXPECT_NE(refusal(kList, " , "), "");
  EXPECT_EQ(refusal(kWords, "red,green"), "");
  EXPECT_NE(refusal(kWords, "red,gren").find("Did you mean 'green'?"), std::string::npos);
}

TEST(EnvValue, a_wrong_value_is_shown_printable_and_cut) {
  const std::string text = refusal(kFlag, "\x01\xFF" + std::string(500, 'x'));
  EXPECT_NE(text.find("FLAGOS_F='??xxx"), std::string::npos);
  EXPECT_NE(text.find("xxx...'"), std::string::npos);
  EXPECT_LT(text.size(), 300u);
}

TEST(EnvTable, every_entry_is_whole_and_its_default_is_a_value_of_its_type) {
  std::set<std::string> names;
  for (const Variable& variable : fl::env::table()) {
    const std::string name = variable.name, help = variable.help;
    EXPECT_TRUE(names.insert(name).second) << name << " is declared twice";
    EXPECT_GT(help.size(), 20u) << name;
    EXPECT_EQ(help.back(), '.') << name;
    EXPECT_TRUE(variable.type != Type::kWord || variable.values != nullptr) << name;
    EXPECT_STRNE(fl::env::type_name(variable.type), "") << name;
    if (variable.initial[0] != '\0') {
      EXPECT_EQ(refusal(variable, variable.initial), "") << name;
    }
    if (variable.values != nullptr && (variable.type == Type::kInt || variable.type == Type::kBytes)) {
      const std::string range = variable.values;
      const size_t dots = range.find("..");
      ASSERT_NE(dots, std::string::npos) << name;
      EXPECT_EQ(refusal(variable, range.substr(0, dots)), "") << name;
      EXPECT_EQ(refusal(variable, range.substr(dots + 2)), "") << name;
    }
  }
}

}  // namespace
