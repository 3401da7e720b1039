#include "compiler/lower/instructions/interleave.h"

#include <algorithm>
#include <cctype>
#include <string_view>
#include <unordered_set>

namespace fl::compiler {
namespace {

struct Line {
  std::string_view text;                // with its end
  std::vector<std::string_view> names;  // "%t12": the first is what it defines, if it defines something
  bool defines = false;
};

bool is_of_a_name(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '.' || c == '_'; }

Line line_of(std::string_view text) {
  Line line{text, {}, text.substr(0, text.find_first_not_of(' ') + 1).ends_with('%')};
  for (size_t at = text.find('%'); at != std::string_view::npos; at = text.find('%', at)) {
    size_t end = at + 1;
    while (end < text.size() && is_of_a_name(text[end])) ++end;
    line.names.push_back(text.substr(at, end - at));
    at = end;
  }
  return line;
}

}  // namespace

std::string interleaved(const std::vector<std::string>& parts) {
  std::string in_turn;
  for (const std::string& part : parts) in_turn += part;
  std::vector<std::vector<Line>> queues;
  std::unordered_set<std::string_view> missing;
  for (const std::string& part : parts) {
    std::vector<Line>& queue = queues.emplace_back();
    for (size_t at = 0; at < part.size();) {
      const size_t end = part.find('\n', at) + 1;
      if (!std::string_view(part).substr(at, end - at).starts_with("  ")) return in_turn;  // a label
      queue.push_back(line_of(std::string_view(part).substr(at, end - at)));
      if (queue.back().defines) missing.insert(queue.back().names[0]);
      at = end;
    }
  }
  std::string all;
  std::vector<size_t> next(queues.size(), 0);
  while (all.size() < in_turn.size()) {  // the first part that is not done can always go on
    for (size_t i = 0; i < queues.size(); ++i) {
      if (next[i] == queues[i].size()) continue;
      const Line& line = queues[i][next[i]];
      const auto operands = line.names.begin() + (line.defines ? 1 : 0);
      if (std::any_of(operands, line.names.end(), [&](std::string_view name) { return missing.contains(name); }))
        continue;
      if (line.defines) missing.erase(line.names[0]);
      all += line.text;
      ++next[i];
    }
  }
  return all;
}

}  // namespace fl::compiler
