// Building and cutting text: printf into a std::string, words of a list, and the nearest known word to a mistyped one.
#ifndef FLAGOS_BASE_TEXT_H_
#define FLAGOS_BASE_TEXT_H_

#include <cstdarg>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace fl {

std::string formatted(const char* format, ...) __attribute__((format(printf, 1, 2)));
std::string formatted_list(const char* format, va_list args) __attribute__((format(printf, 1, 0)));

// Without blanks, tabs and line ends at both sides.
std::string_view trimmed(std::string_view text);

// The words between `separator`, trimmed; empty ones are left out. The views point into `text`.
std::vector<std::string_view> split(std::string_view text, char separator);

// ASCII letters in lower case; no locale.
std::string lower(std::string_view text);

// The number of single characters to insert, delete, replace or swap with the neighbour that turns `a` into `b`
// (optimal string alignment); more than `limit` is answered with limit + 1 without being counted out.
size_t edit_distance(std::string_view a, std::string_view b, size_t limit);

// The candidate nearest to `word`, case ignored, when it is near enough to be what was meant (a third of its length);
// else "". The first of equally near ones.
std::string closest(std::string_view word, const std::vector<std::string_view>& candidates);

// " Did you mean 'host'?" or "", ready to stand at the end of a sentence.
std::string did_you_mean(std::string_view word, const std::vector<std::string_view>& candidates);

}  // namespace fl

#endif  // FLAGOS_BASE_TEXT_H_
