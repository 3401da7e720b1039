// Reads the text of a conf file into statements, and knows nothing of what the words mean: whether an operator or a
// target exists is asked in rules.h, where a file's includes lead in conf_file.h.
//
//   # kept as the reason of the lines below, up to a blank line
//   mm = flagos, cpu        # kept as the reason of this line
//   add.Tensor = cpu
//   _foreach_* = cpu
//   [host]                  # the lines below hold for this driver only
//   include more.conf
#ifndef FLAGOS_ROUTING_CONF_PARSER_H_
#define FLAGOS_ROUTING_CONF_PARSER_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace fl::routing {

// Where something was written. Lines and columns count from 1, columns in bytes; 0 when there is none, as in the
// environment, where `file` is the variable's name.
struct Location {
  std::string file;
  int32_t line = 0;
  int32_t column = 0;
};

// "backends.conf:3:7", as editors and compilers write it.
std::string to_text(const Location& location);

// Throws an Error of FL_INVALID_ARGUMENT: "<location>: <text>".
[[noreturn]] void fail_at(const Location& location, const std::string& text);

struct Word {
  std::string text;
  int32_t column = 0;
};

struct Statement {
  enum class Kind { kSection, kChain, kInclude };
  Kind kind;
  int32_t line;
  Word subject;             // the section's name, the pattern of operators, or the path
  std::vector<Word> chain;  // targets, left to right; at least one for kChain
  std::string reason;       // the comment, without '#'; "" when there is none
};

// Throws at the first thing that is not of the format, with its location. `file` is only named in errors.
std::vector<Statement> parse_conf(std::string_view text, const std::string& file);

// "flagos, cpu": the right side of a line, also as the environment and the API give it. `start` is the location of
// the first byte of `text`.
std::vector<Word> parse_chain(std::string_view text, const Location& start);

// The left side of a line alone: an operator's overload, base name or glob.
Word parse_pattern(std::string_view text, const Location& start);

}  // namespace fl::routing

#endif  // FLAGOS_ROUTING_CONF_PARSER_H_
