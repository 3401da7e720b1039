#include "base/text.h"

#include <algorithm>
#include <cstdio>

namespace fl {

std::string formatted_list(const char* format, va_list args) {
  va_list again;
  va_copy(again, args);
  const int size = std::vsnprintf(nullptr, 0, format, args);
  std::string text(size > 0 ? static_cast<size_t>(size) : 0, '\0');
  if (!text.empty()) std::vsnprintf(text.data(), text.size() + 1, format, again);
  va_end(again);
  return text;
}

std::string formatted(const char* format, ...) {
  va_list args;
  va_start(args, format);
  std::string text = formatted_list(format, args);
  va_end(args);
  return text;
}

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kBlank = " \t\r\n";
  const size_t first = text.find_first_not_of(kBlank);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlank) - first + 1);
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> words;
  for (size_t first = 0; first <= text.size();) {
    const size_t last = std::min(text.find(separator, first), text.size());
    if (std::string_view word = trimmed(text.substr(first, last - first)); !word.empty()) words.push_back(word);
    first = last + 1;
  }
  return words;
}

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return result;
}

size_t edit_distance(std::string_view a, std::string_view b, size_t limit) {
  const size_t longer = std::max(a.size(), b.size());
  if (longer - std::min(a.size(), b.size()) > limit) return limit + 1;
  // Three rows of the table of distances between prefixes: `before` is the row two up, needed for swaps.
  const size_t width = b.size() + 1;
  std::vector<size_t> rows(3 * width);
  size_t *before = rows.data(), *above = before + width, *row = above + width;
  for (size_t j = 0; j <= b.size(); ++j) above[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    size_t least = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t replaced = above[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      row[j] = std::min({above[j] + 1, row[j - 1] + 1, replaced});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) row[j] = std::min(row[j], before[j - 2] + 1);
      least = std::min(least, row[j]);
    }
    if (least > limit) return limit + 1;
    std::swap(before, above);
    std::swap(above, row);
  }
  return std::min(above[b.size()], limit + 1);
}

std::string closest(std::string_view word, const std::vector<std::string_view>& candidates) {
  const std::string wanted = lower(word);
  std::string_view best;
  size_t best_distance = 0;
  for (std::string_view candidate : candidates) {
    const size_t limit = std::max<size_t>(1, std::max(wanted.size(), candidate.size()) / 3);
    if (std::max(wanted.size(), candidate.size()) - std::min(wanted.size(), candidate.size()) > limit) continue;
    const size_t distance = edit_distance(wanted, lower(candidate), limit);
    if (distance <= limit && (best.empty() || distance < best_distance)) {
      best = candidate;
      best_distance = distance;
    }
  }
  return std::string(best);
}

std::string did_you_mean(std::string_view word, const std::vector<std::string_view>& candidates) {
  const std::string best = closest(word, candidates);
  return best.empty() ? std::string() : " Did you mean '" + best + "'?";
}

}  // namespace fl
