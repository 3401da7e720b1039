// What the compiler decided about a kernel and why, for its author: `flagos triton explain`. Lowering tells it as it
// goes; nothing depends on it. Lines are those of the tile IR's text.
#ifndef FLAGOS_COMPILER_LOWER_REPORT_H_
#define FLAGOS_COMPILER_LOWER_REPORT_H_

#include <string>
#include <vector>

#include "compiler/ttir/ir.h"

namespace fl::compiler {

class Report {
 public:
  // What is noted from now on belongs to this nest.
  void nest(const std::string& title) { nests_.push_back({title, {}}); }
  // A line below the nest's title, once.
  void note(const std::string& line);
  // A line of the kernel as a whole.
  void general(const std::string& line) { general_.push_back(line); }

  // While a silent one lives nothing is noted: the exact versions behind guards say the same again.
  class Silence {
   public:
    explicit Silence(Report& report) : report_(report) { ++report_.silent_; }
    ~Silence() { --report_.silent_; }
    Silence(const Silence&) = delete;
    Silence& operator=(const Silence&) = delete;

   private:
    Report& report_;
  };
  bool silent() const { return silent_ > 0; }

  std::string text() const;

 private:
  struct Nest {
    std::string title;
    std::vector<std::string> notes;
  };
  std::vector<std::string> general_;
  std::vector<Nest> nests_;
  int silent_ = 0;
};

// "line 12: tt.load".
std::string place_of(const ttir::Operation& op);
// "4 x 128".
std::string shape_text(const std::vector<int64_t>& shape);

}  // namespace fl::compiler

#endif  // FLAGOS_COMPILER_LOWER_REPORT_H_
