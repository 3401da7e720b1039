#include "routing/conf_parser.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace fl::routing {
namespace {

std::string error_of(const std::string& text) {
  try {
    parse_conf(text, "a.conf");
  } catch (const Error& error) {
    EXPECT_EQ(error.status(), FL_INVALID_ARGUMENT);
    return error.what();
  }
  return "no error";
}

TEST(ConfParser, reads_chains_sections_and_includes_with_their_places) {
  const auto statements =
      parse_conf("mm = flagos, cpu\n  add.Tensor=cpu\n[host]\n_foreach_* = cpu\ninclude more.conf\n", "a.conf");
  ASSERT_EQ(statements.size(), 5u);
  EXPECT_EQ(statements[0].subject.text, "mm");
  ASSERT_EQ(statements[0].chain.size(), 2u);
  EXPECT_EQ(statements[0].chain[1].text, "cpu");
  EXPECT_EQ(statements[0].chain[1].column, 14);
  EXPECT_EQ(statements[1].subject.column, 3);
  EXPECT_EQ(statements[1].line, 2);
  EXPECT_EQ(statements[2].kind, Statement::Kind::kSection);
  EXPECT_EQ(statements[2].subject.text, "host");
  EXPECT_EQ(statements[2].subject.column, 2);
  EXPECT_EQ(statements[3].subject.text, "_foreach_*");
  EXPECT_EQ(statements[4].kind, Statement::Kind::kInclude);
  EXPECT_EQ(statements[4].subject.text, "more.conf");
  EXPECT_EQ(statements[4].subject.column, 9);
}

TEST(ConfParser, an_operator_may_be_called_include) {
  const auto statements = parse_conf("include = cpu", "a.conf");
  ASSERT_EQ(statements.size(), 1u);
  EXPECT_EQ(statements[0].kind, Statement::Kind::kChain);
}

TEST(ConfParser, a_comment_beside_a_line_is_its_reason_and_one_above_holds_up_to_a_blank_line) {
  const auto statements = parse_conf(
      "# Triton cannot\n## compile these\nmm = cpu\nbmm = cpu  # slow\naddmm = cpu\n\nadd = cpu\n# of the "
      "section\n[host]\nmul = cpu\n",
      "a.conf");
  ASSERT_EQ(statements.size(), 6u);
  EXPECT_EQ(statements[0].reason, "Triton cannot compile these");
  EXPECT_EQ(statements[1].reason, "slow");
  EXPECT_EQ(statements[2].reason, "Triton cannot compile these");
  EXPECT_EQ(statements[3].reason, "");
  EXPECT_EQ(statements[5].reason, "");
}

TEST(ConfParser, takes_files_of_other_editors) {
  const auto statements = parse_conf("\xEF\xBB\xBFmm = cpu\r\n# gr\xC3\xB6\xC3\x9F\x65r\r\nbmm\t=\tcpu", "a.conf");
  ASSERT_EQ(statements.size(), 2u);
  EXPECT_EQ(statements[0].chain[0].text, "cpu");
  EXPECT_EQ(statements[1].reason, "gr\xC3\xB6\xC3\x9F\x65r");
  EXPECT_TRUE(parse_conf("", "a.conf").empty());
  EXPECT_TRUE(parse_conf("\n\n#\n", "a.conf").empty());
}

struct Wrong {
  const char* text;
  const char* begins;
};

class ConfParserErrors : public testing::TestWithParam<Wrong> {};

TEST_P(ConfParserErrors, name_file_line_column_and_an_example) {
  const std::string error = error_of(GetParam().text);
  EXPECT_EQ(error.substr(0, std::string(GetParam().begins).size()), GetParam().begins);
}

INSTANTIATE_TEST_SUITE_P(
    All, ConfParserErrors,
    testing::Values(
        Wrong{"mm", "a.conf:1:3: expected '=' and targets after the operator's name"},
        Wrong{"\nmm cpu", "a.conf:2:7: expected '='"}, Wrong{"= cpu", "a.conf:1:1: expected an operator's name"},
        Wrong{"mm =", "a.conf:1:5: expected a target's name"},
        Wrong{"mm = cpu,", "a.conf:1:10: expected a target's name"},
        Wrong{"mm = , cpu", "a.conf:1:6: expected a target's name"},
        Wrong{"mm = flagos cpu", "a.conf:1:12: expected ',' between two targets"},
        Wrong{"mm = \"flagos\"", "a.conf:1:6: '\"' cannot stand in a target's name"},
        Wrong{"m-m = cpu", "a.conf:1:2: '-' cannot stand in an operator's name"},
        Wrong{"mm mm = cpu", "a.conf:1:3: ' ' cannot stand in an operator's name"},
        Wrong{"m\xC3\xB6 = cpu", "a.conf:1:2: '\xC3\xB6' cannot stand in an operator's name"},
        Wrong{"mm = cpu = cpu", "a.conf:1:9: expected ','"}, Wrong{"[host", "a.conf:1:6: expected ']'"},
        Wrong{"[]", "a.conf:1:2: expected a driver's name"},
        Wrong{"[ho st]", "a.conf:1:4: a driver's name has letters"}, Wrong{"[", "a.conf:1:2: expected ']'"},
        Wrong{"include", "a.conf:1:8: expected a path"}, Wrong{"include \t ", "a.conf:1:8: expected a path"},
        Wrong{"mm = cpu\n\x01", "a.conf:2:1: byte 0x01 does not belong in a text file"},
        Wrong{"# \xFF", "a.conf:1:3: byte 0xFF does not belong in a text file"},
        Wrong{"# \xC0\x80", "a.conf:1:3: byte 0xC0"}, Wrong{"# \xED\xA0\x80", "a.conf:1:3: byte 0xED"},
        Wrong{"# \xF4\x90\x80\x80", "a.conf:1:3: byte 0xF4"}, Wrong{"mm \r = cpu", "a.conf:1:4: byte 0x0D"}));

TEST(ConfParser, a_binary_file_is_refused_at_its_first_byte_that_is_no_text) {
  EXPECT_EQ(error_of(std::string("\x7F"
                                 "ELF\0\0",
                                 6))
                .substr(0, 28),
            "a.conf:1:1: byte 0x7F does n");
  EXPECT_EQ(error_of(std::string("mm\0", 3)).substr(0, 21), "a.conf:1:3: byte 0x00");
}

}  // namespace
}  // namespace fl::routing
