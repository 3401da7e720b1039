#include "compiler/ttir/scanner.h"

#include <charconv>

#include "base/error.h"
#include "base/text.h"

namespace fl::ttir {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool in_word(char c) { return is_letter(c) || is_digit(c) || c == '_' || c == '.' || c == '$'; }

}  // namespace

void Scanner::fail_at(Location where, const std::string& why) {
  fl::fail(FL_INVALID_ARGUMENT, "line %d, column %d: %s", where.line, where.column, why.c_str());
}

void Scanner::fail(const std::string& why) { fail_at(where(), why); }

void Scanner::skip() {
  while (at_ < text_.size()) {
    const char c = text_[at_];
    if (c == '\n') {
      ++line_;
      line_start_ = at_ + 1;
      ++at_;
    } else if (c == ' ' || c == '\t' || c == '\r') {
      ++at_;
    } else if (c == '/' && text_.substr(at_, 2) == "//") {
      while (at_ < text_.size() && text_[at_] != '\n') ++at_;
    } else {
      return;
    }
  }
}

Location Scanner::where() {
  skip();
  return {line_, static_cast<int>(at_ - line_start_) + 1};
}

bool Scanner::at_end() {
  skip();
  return at_ == text_.size();
}

bool Scanner::peek(std::string_view token) {
  skip();
  if (text_.substr(at_, token.size()) != token) return false;
  const size_t end = at_ + token.size();
  return !(in_word(token.back()) && end < text_.size() && in_word(text_[end]));
}

bool Scanner::match(std::string_view token) {
  if (!peek(token)) return false;
  at_ += token.size();
  return true;
}

void Scanner::expect(std::string_view token) {
  if (match(token)) return;
  const std::string found(text_.substr(at_, 16));
  fail("expected '" + std::string(token) + "', found '" + found.substr(0, found.find('\n')) + "'");
}

template <class Accept>
std::string_view Scanner::take(Accept accept) {
  const size_t start = at_;
  while (at_ < text_.size() && accept(text_[at_])) ++at_;
  return text_.substr(start, at_ - start);
}

std::string_view Scanner::word(const char* what) {
  skip();
  std::string_view word = take(in_word);
  if (word.empty()) fail(formatted("expected %s", what));
  return word;
}

std::string_view Scanner::ssa_name() {
  expect("%");
  std::string_view name = take([](char c) { return in_word(c) || c == '-'; });
  if (name.empty()) fail("expected a value's name after '%', like %arg0");
  return name;
}

std::string_view Scanner::label() {
  expect("^");
  std::string_view name = take(in_word);
  if (name.empty()) fail("expected a block's name after '^', like ^bb0");
  return name;
}

std::string_view Scanner::symbol() {
  expect("@");
  if (current() != '"') {
    std::string_view name = take(in_word);
    if (name.empty()) fail("expected a function's name after '@'");
    return name;
  }
  ++at_;
  std::string_view name = take([](char c) { return c != '"' && c != '\n'; });
  expect("\"");
  return name;
}

std::string Scanner::string() {
  skip();
  const Location start = where();
  expect("\"");
  std::string value;
  for (;; ++at_) {
    const char c = current();
    if (at_ >= text_.size() || c == '\n') fail_at(start, "this string has no end");
    if (c == '"') break;
    if (c == '\\' && at_ + 2 < text_.size()) {  // \0A is a byte in hexadecimal; \" and \\ are themselves
      unsigned byte = 0;
      const char* first = text_.data() + at_ + 1;
      if (std::from_chars(first, first + 2, byte, 16).ptr == first + 2) {
        value += static_cast<char>(byte);
        at_ += 2;
      } else {
        value += text_[++at_];
      }
      continue;
    }
    value += c;
  }
  ++at_;
  return value;
}

bool Scanner::next_is_digit() {
  skip();
  return is_digit(current());
}

std::string_view Scanner::number() {
  skip();
  std::string_view digits = text_.substr(at_);
  size_t end = 0;
  if (end < digits.size() && digits[end] == '-') ++end;
  if (end >= digits.size() || !is_digit(digits[end])) fail("expected a number");
  if (digits.substr(end, 2) == "0x") {
    end += 2;
    while (end < digits.size() && (is_digit(digits[end]) || is_letter(digits[end]))) ++end;
  } else {
    while (end < digits.size() && (is_digit(digits[end]) || digits[end] == '.')) ++end;
    if (end < digits.size() && (digits[end] == 'e' || digits[end] == 'E')) {
      ++end;
      if (end < digits.size() && (digits[end] == '+' || digits[end] == '-')) ++end;
      while (end < digits.size() && is_digit(digits[end])) ++end;
    }
  }
  at_ += end;
  return digits.substr(0, end);
}

int64_t Scanner::integer() {
  const Location start = where();
  std::string_view digits = number();
  int64_t value = 0;
  auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (error != std::errc() || end != digits.data() + digits.size()) {
    fail_at(start, "'" + std::string(digits) + "' is not an integer of 64 bits");
  }
  return value;
}

int64_t Scanner::extent() {
  skip();
  const Location start = where();
  std::string_view digits = take(is_digit);
  int64_t value = 0;
  auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (digits.empty() || error != std::errc() || current() != 'x') {
    fail_at(start, "expected a dimension of a tensor, like 128x");
  }
  ++at_;
  return value;
}

}  // namespace fl::ttir
