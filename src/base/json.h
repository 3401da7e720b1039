// A streaming JSON writer: values go out as they are said, through a fl_text_sink, in pieces. Text is escaped, bytes
// that are no UTF-8 become U+FFFD, numbers are written without a locale, and a NaN or an infinity is null, for JSON has
// none.
#ifndef FLAGOS_BASE_JSON_H_
#define FLAGOS_BASE_JSON_H_

#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>

#include "flagos/base.h"

namespace fl {

class JsonWriter {
 public:
  JsonWriter(fl_text_sink sink, void* context);
  ~JsonWriter();  // hands out what is left
  JsonWriter(const JsonWriter&) = delete;
  JsonWriter& operator=(const JsonWriter&) = delete;

  JsonWriter& begin_object();
  JsonWriter& end_object();
  JsonWriter& begin_array();
  JsonWriter& end_array();
  JsonWriter& key(std::string_view name);

  JsonWriter& value(std::string_view text);
  JsonWriter& value(const char* text) { return text ? value(std::string_view(text)) : null(); }
  JsonWriter& value(const std::string& text) { return value(std::string_view(text)); }
  JsonWriter& value(double number);
  template <std::same_as<bool> Flag>
  JsonWriter& value(Flag flag) {
    return raw(flag ? "true" : "false");
  }
  template <std::integral Number>
  requires(!std::same_as<Number, bool>) JsonWriter& value(Number number) { return raw(std::to_string(number)); }
  JsonWriter& null() { return raw("null"); }

  // key(name).value(what)
  template <class Value>
  JsonWriter& member(std::string_view name, const Value& what) {
    return key(name).value(what);
  }

 private:
  JsonWriter& raw(std::string_view text);
  void open(char bracket);
  void close(char bracket);
  void before_value();
  void append_text(std::string_view text);
  void hand_out();

  fl_text_sink sink_;
  void* context_;
  std::string buffer_;
  bool first_ = true;       // nothing stands yet between the innermost brackets
  bool after_key_ = false;  // the next value belongs to a key, which wrote the comma
};

}  // namespace fl

#endif  // FLAGOS_BASE_JSON_H_
