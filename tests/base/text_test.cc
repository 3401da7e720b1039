#include "base/text.h"

#include <gtest/gtest.h>

namespace {

using Words = std::vector<std::string_view>;

TEST(Text, formats_like_printf_at_any_length) {
  EXPECT_EQ(fl::formatted("%d of %s", 3, "five"), "3 of five");
  EXPECT_EQ(fl::formatted("%s", ""), "");
  EXPECT_EQ(fl::formatted("%s!", std::string(3000, 'a').c_str()), std::string(3000, 'a') + "!");
}

TEST(Text, trims_both_ends) {
  EXPECT_EQ(fl::trimmed(" \ta b\r\n"), "a b");
  EXPECT_EQ(fl::trimmed(" \t "), "");
  EXPECT_EQ(fl::trimmed(""), "");
}

TEST(Text, splits_into_trimmed_words_without_empty_ones) {
  EXPECT_EQ(fl::split("a, b ,,c,", ','), (Words{"a", "b", "c"}));
  EXPECT_EQ(fl::split("", ','), Words{});
  EXPECT_EQ(fl::split(" , ", ','), Words{});
  EXPECT_EQ(fl::split("one", '|'), Words{"one"});
}

TEST(Text, lower_case_touches_ascii_letters_only) { EXPECT_EQ(fl::lower("AbZ\xC3\x84_9"), "abz\xC3\x84_9"); }

TEST(Text, edit_distance_counts_insertions_deletions_replacements_and_swaps) {
  EXPECT_EQ(fl::edit_distance("", "", 9), 0u);
  EXPECT_EQ(fl::edit_distance("abc", "", 9), 3u);
  EXPECT_EQ(fl::edit_distance("kitten", "sitting", 9), 3u);
  EXPECT_EQ(fl::edit_distance("host", "hsot", 9), 1u);
  EXPECT_EQ(fl::edit_distance("ab", "ba", 9), 1u);
  EXPECT_EQ(fl::edit_distance("ca", "abc", 9), 3u);
}

TEST(Text, edit_distance_stops_beyond_the_limit) {
  EXPECT_EQ(fl::edit_distance("kitten", "sitting", 2), 3u);
  EXPECT_EQ(fl::edit_distance("a", "abcdefgh", 3), 4u);
  EXPECT_EQ(fl::edit_distance("same", "same", 0), 0u);
  EXPECT_EQ(fl::edit_distance("same", "sane", 0), 1u);
}

TEST(Text, suggests_the_nearest_word_and_only_a_near_one) {
  const Words words{"flagos", "flagos_python", "cpu", "cuda"};
  EXPECT_EQ(fl::closest("flagso", words), "flagos");
  EXPECT_EQ(fl::closest("FLAGOS_PYTON", words), "flagos_python");
  EXPECT_EQ(fl::closest("cpuu", words), "cpu");
  EXPECT_EQ(fl::closest("tensor", words), "");
  EXPECT_EQ(fl::closest("x", {}), "");
}

TEST(Text, of_two_equally_near_words_the_first_is_suggested) {
  EXPECT_EQ(fl::closest("add.c", {"add.a", "add.b"}), "add.a");
}

TEST(Text, a_suggestion_ends_a_sentence) {
  EXPECT_EQ(fl::did_you_mean("hots", {"host", "sim"}), " Did you mean 'host'?");
  EXPECT_EQ(fl::did_you_mean("zzzz", {"host", "sim"}), "");
}

}  // namespace
