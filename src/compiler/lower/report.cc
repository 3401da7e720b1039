#include "compiler/lower/report.h"

#include <algorithm>

#include "base/text.h"

namespace fl::compiler {

void Report::note(const std::string& line) {
  if (silent() || nests_.empty()) return;
  std::vector<std::string>& notes = nests_.back().notes;
  if (std::find(notes.begin(), notes.end(), line) == notes.end()) notes.push_back(line);
}

std::string Report::text() const {
  std::string text;
  std::vector<std::string> general = general_;
  std::sort(general.begin(), general.end());
  for (const std::string& line : general) text += line + "\n";
  int number = 0;
  for (const Nest& nest : nests_) {
    text += formatted("\nnest %d: ", ++number) + nest.title + "\n";
    for (const std::string& note : nest.notes) text += "  " + note + "\n";
  }
  return text;
}

std::string place_of(const ttir::Operation& op) {
  return formatted("line %d: %s", op.where.line, ttir::name_of(op.op));
}

std::string shape_text(const std::vector<int64_t>& shape) {
  std::string text;
  for (const int64_t size : shape) text += (text.empty() ? "" : " x ") + std::to_string(size);
  return text.empty() ? "one element" : text;
}

}  // namespace fl::compiler
