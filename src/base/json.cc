#include "base/json.h"

#include <charconv>
#include <cmath>

#include "base/text.h"

namespace fl {
namespace {

constexpr size_t kPiece = 4096;  // bytes gathered before a call of the sink

// The length of the well-formed UTF-8 sequence at the start of `text`, 0 when there is none (RFC 3629: no overlong
// forms, no surrogates, nothing above U+10FFFF).
size_t utf8_length(std::string_view text) {
  const auto byte = [&](size_t index) { return index < text.size() ? static_cast<unsigned char>(text[index]) : 0u; };
  const auto follows = [&](size_t index) { return (byte(index) & 0xC0u) == 0x80u; };
  const unsigned lead = byte(0);
  if (lead < 0x80) return 1;
  if (lead >= 0xC2 && lead <= 0xDF) return follows(1) ? 2 : 0;
  if (lead >= 0xE0 && lead <= 0xEF) {
    const bool valid =
        follows(1) && follows(2) && !(lead == 0xE0 && byte(1) < 0xA0) && !(lead == 0xED && byte(1) > 0x9F);
    return valid ? 3 : 0;
  }
  if (lead >= 0xF0 && lead <= 0xF4) {
    const bool valid = follows(1) && follows(2) && follows(3) && !(lead == 0xF0 && byte(1) < 0x90) &&
                       !(lead == 0xF4 && byte(1) > 0x8F);
    return valid ? 4 : 0;
  }
  return 0;
}

}  // namespace

JsonWriter::JsonWriter(fl_text_sink sink, void* context) : sink_(sink), context_(context) {}

JsonWriter::~JsonWriter() { hand_out(); }

void JsonWriter::hand_out() {
  if (!buffer_.empty()) sink_(context_, buffer_.data(), buffer_.size());
  buffer_.clear();
}

void JsonWriter::before_value() {
  if (buffer_.size() >= kPiece) hand_out();
  if (!first_ && !after_key_) buffer_ += ',';
  first_ = false;
  after_key_ = false;
}

void JsonWriter::open(char bracket) {
  before_value();
  buffer_ += bracket;
  first_ = true;
}

void JsonWriter::close(char bracket) {
  buffer_ += bracket;
  first_ = false;
}

JsonWriter& JsonWriter::begin_object() { return open('{'), *this; }
JsonWriter& JsonWriter::end_object() { return close('}'), *this; }
JsonWriter& JsonWriter::begin_array() { return open('['), *this; }
JsonWriter& JsonWriter::end_array() { return close(']'), *this; }

JsonWriter& JsonWriter::raw(std::string_view text) {
  before_value();
  buffer_ += text;
  return *this;
}

JsonWriter& JsonWriter::key(std::string_view name) {
  before_value();
  append_text(name);
  buffer_ += ':';
  after_key_ = true;
  return *this;
}

JsonWriter& JsonWriter::value(std::string_view text) {
  before_value();
  append_text(text);
  return *this;
}

JsonWriter& JsonWriter::value(double number) {
  if (!std::isfinite(number)) return null();
  char digits[32];
  const auto result = std::to_chars(digits, digits + sizeof digits, number);
  return raw({digits, static_cast<size_t>(result.ptr - digits)});
}

void JsonWriter::append_text(std::string_view text) {
  buffer_ += '"';
  while (!text.empty()) {
    const size_t length = utf8_length(text);
    const char c = text[0];
    if (length == 0) {
      buffer_ += "\xEF\xBF\xBD";
    } else if (c == '"' || c == '\\') {
      (buffer_ += '\\') += c;
    } else if (c == '\n') {
      buffer_ += "\\n";
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) {
      buffer_ += formatted("\\u%04x", static_cast<unsigned>(c));
    } else {
      buffer_ += text.substr(0, length);
    }
    text.remove_prefix(length == 0 ? 1 : length);
  }
  buffer_ += '"';
}

}  // namespace fl
