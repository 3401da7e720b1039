// A line-by-line reader: comment off, then one of three statements. Every complaint has line and column.
#include "routing/conf_parser.h"

#include "base/error.h"
#include "base/text.h"

namespace fl::routing {
namespace {

bool is_blank(char c) { return c == ' ' || c == '\t'; }

bool is_name_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

// Overloads have a '.', operators of other libraries a "::", globs '*' and '?'.
bool is_pattern_character(char c) { return is_name_character(c) || c == '.' || c == ':' || c == '*' || c == '?'; }

// The number of bytes of the UTF-8 sequence at the front of `text`, 0 when there is no valid one. Overlong forms,
// surrogates and code points past U+10FFFF are invalid (Unicode 15, table 3-7).
size_t utf8_length(std::string_view text) {
  const auto byte = [&](size_t i) -> unsigned { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u; };
  const auto between = [&](size_t i, unsigned low, unsigned high) { return byte(i) >= low && byte(i) <= high; };
  const unsigned lead = byte(0);
  if (lead < 0x80) return 1;
  if (lead >= 0xC2 && lead <= 0xDF) return between(1, 0x80, 0xBF) ? 2 : 0;
  if (lead >= 0xE0 && lead <= 0xEF) {
    const unsigned low = lead == 0xE0 ? 0xA0 : 0x80;
    const unsigned high = lead == 0xED ? 0x9F : 0xBF;
    return between(1, low, high) && between(2, 0x80, 0xBF) ? 3 : 0;
  }
  if (lead >= 0xF0 && lead <= 0xF4) {
    const unsigned low = lead == 0xF0 ? 0x90 : 0x80;
    const unsigned high = lead == 0xF4 ? 0x8F : 0xBF;
    return between(1, low, high) && between(2, 0x80, 0xBF) && between(3, 0x80, 0xBF) ? 4 : 0;
  }
  return 0;
}

void require_text(std::string_view line, Location at) {
  for (size_t i = 0; i < line.size();) {
    const size_t length = utf8_length(line.substr(i));
    const auto c = static_cast<unsigned char>(line[i]);
    if (length == 0 || c == 0x7F || (c < 0x20 && c != '\t')) {
      at.column = static_cast<int32_t>(i) + 1;
      fail_at(at, formatted("byte 0x%02X does not belong in a text file. A conf file is UTF-8 text with lines such as "
                            "'mm = flagos, cpu'; is this the right file?",
                            c));
    }
    i += length;
  }
}

// A text with its position in the line, so that what is cut from it still knows its column.
struct Span {
  std::string_view text;
  Location at;

  Span from(size_t begin, size_t count = std::string_view::npos) const {
    Span part{text.substr(begin, count), at};
    part.at.column += static_cast<int32_t>(begin);
    return part;
  }
  Span trimmed() const {
    size_t begin = 0;
    size_t end = text.size();
    while (begin < end && is_blank(text[begin])) ++begin;
    while (end > begin && is_blank(text[end - 1])) --end;
    return from(begin, end - begin);
  }
  Word word() const { return {std::string(text), at.column}; }
};

Word pattern_of(const Span& span) {
  const Span name = span.trimmed();
  if (name.text.empty()) fail_at(name.at, "expected an operator's name, as in 'add.Tensor = flagos, cpu'.");
  for (size_t i = 0; i < name.text.size(); ++i) {
    if (!is_pattern_character(name.text[i])) {
      fail_at(name.from(i).at, formatted("'%s' cannot stand in an operator's name. Write an overload (add.Tensor), a "
                                         "base name (add) or a glob (_foreach_*).",
                                         std::string(name.text.substr(i, utf8_length(name.text.substr(i)))).c_str()));
    }
  }
  return name.word();
}

std::vector<Word> chain_of(const Span& span) {
  std::vector<Word> chain;
  for (size_t begin = 0; begin <= span.text.size();) {
    size_t end = span.text.find(',', begin);
    if (end == std::string_view::npos) end = span.text.size();
    const Span name = span.from(begin, end - begin).trimmed();
    if (name.text.empty()) fail_at(name.at, "expected a target's name, as in 'mm = flagos, cpu'.");
    for (size_t i = 0; i < name.text.size(); ++i) {
      if (is_name_character(name.text[i])) continue;
      if (is_blank(name.text[i]))
        fail_at(name.from(i).at, "expected ',' between two targets, as in 'mm = flagos, cpu'.");
      fail_at(name.from(i).at, formatted("'%s' cannot stand in a target's name, which has letters, digits and '_'.",
                                         std::string(name.text.substr(i, utf8_length(name.text.substr(i)))).c_str()));
    }
    chain.push_back(name.word());
    begin = end + 1;
  }
  return chain;
}

Statement section_of(const Span& line) {
  if (line.text.back() != ']')
    fail_at(line.from(line.text.size()).at, "expected ']' after a driver's name, as in '[host]'.");
  const Span name = line.from(1, line.text.size() - 2).trimmed();
  if (name.text.empty()) fail_at(name.at, "expected a driver's name between the brackets, as in '[host]'.");
  for (size_t i = 0; i < name.text.size(); ++i) {
    if (!is_name_character(name.text[i]))
      fail_at(name.from(i).at, "a driver's name has letters, digits and '_', as in '[host]'.");
  }
  return {Statement::Kind::kSection, line.at.line, name.word(), {}, {}};
}

// "## why" -> "why".
std::string comment_text(std::string_view comment) {
  while (comment.starts_with('#')) comment.remove_prefix(1);
  return std::string(trimmed(comment));
}

constexpr std::string_view kInclude = "include";

bool is_include(std::string_view line) {
  if (line == kInclude) return true;
  return line.starts_with(kInclude) && is_blank(line[kInclude.size()]) && line.find('=') == std::string_view::npos;
}

Statement statement_of(const Span& line) {
  if (line.text.front() == '[') return section_of(line);
  if (is_include(line.text)) {
    const Span path = line.from(kInclude.size()).trimmed();
    if (path.text.empty()) fail_at(path.at, "expected a path after 'include', as in 'include backends.conf'.");
    return {Statement::Kind::kInclude, line.at.line, path.word(), {}, {}};
  }
  const size_t equals = line.text.find('=');
  if (equals == std::string_view::npos) {
    fail_at(line.from(line.text.size()).at,
            "expected '=' and targets after the operator's name, as in 'mm = flagos, cpu'.");
  }
  return {Statement::Kind::kChain, line.at.line, pattern_of(line.from(0, equals)), chain_of(line.from(equals + 1)), {}};
}

}  // namespace

std::string to_text(const Location& location) {
  std::string text = location.file;
  if (location.line > 0) text += ":" + std::to_string(location.line);
  if (location.line > 0 && location.column > 0) text += ":" + std::to_string(location.column);
  return text;
}

void fail_at(const Location& location, const std::string& text) {
  throw Error(FL_INVALID_ARGUMENT, to_text(location) + ": " + text);
}

std::vector<Word> parse_chain(std::string_view text, const Location& start) {
  require_text(text, start);
  return chain_of({text, start});
}

Word parse_pattern(std::string_view text, const Location& start) {
  require_text(text, start);
  return pattern_of({text, start});
}

std::vector<Statement> parse_conf(std::string_view text, const std::string& file) {
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);  // what some editors put before UTF-8
  std::vector<Statement> statements;
  std::string above;                // the comment lines right above, the reason of lines that have none of their own
  bool comment_just_ended = false;  // the line before was a comment: the next comment line continues it
  int32_t number = 0;
  while (!text.empty()) {
    const size_t end = text.find('\n');
    std::string_view raw = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (raw.ends_with('\r')) raw.remove_suffix(1);
    const Location start{file, ++number, 1};
    require_text(raw, start);

    const size_t hash = raw.find('#');
    const std::string comment = hash == std::string_view::npos ? "" : comment_text(raw.substr(hash));
    const Span line = Span{raw.substr(0, hash), start}.trimmed();
    if (line.text.empty()) {
      if (hash == std::string_view::npos) {
        above.clear();
      } else if (comment_just_ended && !above.empty() && !comment.empty()) {
        above += " " + comment;
      } else {
        above = comment;
      }
      comment_just_ended = hash != std::string_view::npos;
      continue;
    }
    comment_just_ended = false;
    statements.push_back(statement_of(line));
    if (statements.back().kind == Statement::Kind::kChain) {
      statements.back().reason = comment.empty() ? above : comment;
    } else {
      above.clear();
    }
  }
  return statements;
}

}  // namespace fl::routing
