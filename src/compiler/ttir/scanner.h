// Walks over the text of TTIR: blanks, comments, names, numbers, strings. It knows nothing of operations. Every failure
// is an Error of FL_INVALID_ARGUMENT that begins "line L, column C:". Views point into the text, which must outlive it.
#ifndef FLAGOS_COMPILER_TTIR_SCANNER_H_
#define FLAGOS_COMPILER_TTIR_SCANNER_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "compiler/ttir/ir.h"

namespace fl::ttir {

class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text) {}

  Location where();  // of the next token
  bool at_end();

  // Takes `token` when it comes next. A word is not taken when it is only the beginning of a longer one.
  bool match(std::string_view token);
  bool peek(std::string_view token);
  void expect(std::string_view token);

  std::string_view word(const char* what);  // letters, digits, '_', '.', '$': "arith.addi", "f32"
  std::string_view ssa_name();              // after '%': letters, digits, '_', '-', '.', '$'
  std::string_view label();                 // after '^'
  std::string_view symbol();                // after '@', bare or quoted
  std::string string();                     // between quotes, escapes undone
  int64_t integer();                        // decimal, maybe negative, as 64 bits
  std::string_view number();                // any number: "-5", "1.0e+00", "0xFF800000"
  int64_t extent();                         // of a tensor: "128x", the x included
  bool next_is_digit();

  [[noreturn]] void fail(const std::string& why);
  [[noreturn]] static void fail_at(Location where, const std::string& why);

 private:
  void skip();
  char current() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  template <class Accept>
  std::string_view take(Accept accept);

  std::string_view text_;
  size_t at_ = 0;
  int line_ = 1;
  size_t line_start_ = 0;
};

}  // namespace fl::ttir

#endif  // FLAGOS_COMPILER_TTIR_SCANNER_H_
