#include "base/env_value.h"

#include <algorithm>
#include <charconv>
#include <limits>

#include "base/error.h"
#include "base/text.h"

namespace fl::env {
namespace {

constexpr size_t kShownBytes = 80;  // of a wrong value; the rest of a long one helps nobody

// The value as a person may see it: printable ASCII, cut when long.
std::string shown(std::string_view value) {
  std::string text;
  for (char c : value.substr(0, kShownBytes)) text += c >= ' ' && c <= '~' ? c : '?';
  return value.size() > kShownBytes ? text + "..." : text;
}

[[noreturn]] void refuse(const Variable& variable, std::string_view value, const std::string& allowed,
                         const std::string& hint = "") {
  fail(FL_INVALID_ARGUMENT, "%s='%s' cannot be used: it must be %s.%s Change or unset the variable.", variable.name,
       shown(value).c_str(), allowed.c_str(), hint.c_str());
}

// Digits of `text` as a number; false when there are none or too many. `rest` is what follows them.
bool read_digits(std::string_view text, uint64_t* number, std::string_view* rest) {
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), *number);
  if (error != std::errc()) return false;
  *rest = text.substr(static_cast<size_t>(stop - text.data()));
  return true;
}

// "K", "KB", "KiB" and so on, or "" and "B": the power of two, or -1.
int unit_shift(std::string_view unit) {
  const std::string word = lower(unit);
  if (word.empty() || word == "b") return 0;
  constexpr std::string_view kUnits = "kmgt";
  const size_t index = kUnits.find(word[0]);
  const std::string_view tail = std::string_view(word).substr(1);
  if (index == std::string_view::npos || !(tail.empty() || tail == "b" || tail == "ib")) return -1;
  return 10 * static_cast<int>(index + 1);
}

bool read_bytes(std::string_view text, uint64_t* size) {
  std::string_view unit;
  if (!read_digits(trimmed(text), size, &unit)) return false;
  const int shift = unit_shift(trimmed(unit));
  if (shift < 0 || *size > std::numeric_limits<uint64_t>::max() >> shift) return false;
  *size <<= shift;
  return true;
}

bool read_integer(std::string_view text, int64_t* number) {
  text = trimmed(text);
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), *number);
  return error == std::errc() && stop == text.data() + text.size();
}

// The two ends of "least..most". The table is ours, so a range in it is well formed (a test walks it).
std::pair<std::string_view, std::string_view> range_ends(std::string_view range) {
  const size_t dots = range.find("..");
  return {range.substr(0, dots), range.substr(dots + 2)};
}

// "between 1 and 64" of "1..64".
std::string between(std::string_view range) {
  const auto [least, most] = range_ends(range);
  return "between " + std::string(least) + " and " + std::string(most);
}

void check_words(const Variable& variable, std::string_view value, const std::vector<std::string_view>& words) {
  if (variable.values == nullptr) return;
  const std::vector<std::string_view> allowed = split(variable.values, '|');
  for (std::string_view word : words) {
    if (std::find(allowed.begin(), allowed.end(), word) != allowed.end()) continue;
    if (allowed.size() == 1) refuse(variable, value, "'" + std::string(allowed[0]) + "'");
    refuse(variable, value, std::string("one of ") + variable.values, did_you_mean(word, allowed));
  }
}

}  // namespace

bool parse_flag(const Variable& variable, std::string_view value) {
  const std::string word = lower(trimmed(value));
  for (const char* yes : {"1", "on", "true", "yes"}) {
    if (word == yes) return true;
  }
  for (const char* no : {"0", "off", "false", "no"}) {
    if (word == no) return false;
  }
  refuse(variable, value, "1 or 0 (on, off, true, false, yes and no are taken too)");
}

int64_t parse_integer(const Variable& variable, std::string_view value) {
  int64_t number = 0;
  const std::string allowed = "a whole number" + (variable.values ? " " + between(variable.values) : std::string());
  if (!read_integer(value, &number)) refuse(variable, value, allowed);
  if (variable.values != nullptr) {
    const auto [least_text, most_text] = range_ends(variable.values);
    int64_t least = 0, most = 0;
    if (!read_integer(least_text, &least) || !read_integer(most_text, &most) || number < least || number > most) {
      refuse(variable, value, allowed);
    }
  }
  return number;
}

uint64_t parse_bytes(const Variable& variable, std::string_view value) {
  uint64_t size = 0;
  const std::string allowed =
      "a number of bytes such as 512M or 2G" + (variable.values ? ", " + between(variable.values) : std::string());
  if (!read_bytes(value, &size)) refuse(variable, value, allowed);
  if (variable.values != nullptr) {
    const auto [least_text, most_text] = range_ends(variable.values);
    uint64_t least = 0, most = 0;
    if (!read_bytes(least_text, &least) || !read_bytes(most_text, &most) || size < least || size > most) {
      refuse(variable, value, allowed);
    }
  }
  return size;
}

std::vector<std::string> parse_list(const Variable& variable, std::string_view value) {
  const std::vector<std::string_view> words = split(value, ',');
  check_words(variable, value, words);
  if (words.empty()) refuse(variable, value, "a list of words with commas between them");
  return {words.begin(), words.end()};
}

void check(const Variable& variable, std::string_view value) {
  switch (variable.type) {
    case Type::kFlag:
      parse_flag(variable, value);
      break;
    case Type::kInt:
      parse_integer(variable, value);
      break;
    case Type::kBytes:
      parse_bytes(variable, value);
      break;
    case Type::kList:
      parse_list(variable, value);
      break;
    case Type::kWord:
      check_words(variable, value, {value});
      break;
    case Type::kPath:
    case Type::kText:
      break;
  }
}

}  // namespace fl::env
