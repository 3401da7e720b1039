// Mutated kernels: whatever the text, the compiler answers with a module or with one error that says where. Run under
// -DFLAGOS_SANITIZE=address,undefined it finds what a crash would.

#include <gtest/gtest.h>

#include <random>

#include "base/error.h"
#include "compiler/lower/kernel/kernel.h"
#include "compiler/ttir/parser.h"
#include "compiler/ttir/printer.h"
#include "compiler/ttir/verifier.h"
#include "kernels.h"

namespace fl::compiler {
namespace {

constexpr int kMutants = 100'000;
constexpr size_t kLongest = 6000;  // larger kernels add time, not cases

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::stringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

class Mutator {
 public:
  explicit Mutator(const std::map<std::string, std::string>& kernels) : random_(20260101) {
    for (const auto& [name, text] : kernels) {
      if (text.size() > kLongest) continue;
      seeds_.push_back(lines_of(text));
      for (const std::string& line : seeds_.back()) {
        std::stringstream words(line);
        for (std::string word; words >> word;) words_.push_back(word);
      }
    }
  }

  std::string next() {
    std::vector<std::string> lines = seeds_[below(seeds_.size())];
    for (size_t n = 1 + below(2); n > 0; --n) mutate(&lines);
    std::string text;
    for (const std::string& line : lines) text += line + "\n";
    return text;
  }

 private:
  size_t below(size_t end) { return std::uniform_int_distribution<size_t>(0, end - 1)(random_); }

  void mutate(std::vector<std::string>* lines) {
    std::string& line = (*lines)[below(lines->size())];
    switch (below(12)) {
      case 0:
        line.erase();
        break;
      case 1:
        line = (*lines)[below(lines->size())];
        break;
      case 2:
        std::swap(line, (*lines)[below(lines->size())]);
        break;
      case 3:
        if (!line.empty()) line[below(line.size())] = static_cast<char>(below(128));
        break;
      case 4:
        if (!line.empty()) line.erase(below(line.size()));
        break;
      default: {  // a word for a word
        const size_t start = line.find_first_not_of(' ');
        if (start == std::string::npos) break;
        std::vector<std::pair<size_t, size_t>> words;
        for (size_t at = start; at != std::string::npos && at < line.size();) {
          const size_t end = std::min(line.find(' ', at), line.size());
          words.push_back({at, end - at});
          at = line.find_first_not_of(' ', end);
        }
        const auto [at, size] = words[below(words.size())];
        std::string with = words_[below(words_.size())];
        for (int tries = 0; tries < 30 && with[0] != line[at]; ++tries)
          with = words_[below(words_.size())];  // mostly of its kind
        line.replace(at, size, with);
      }
    }
  }

  std::mt19937_64 random_;
  std::vector<std::vector<std::string>> seeds_;
  std::vector<std::string> words_;
};

TEST(Mutation, is_lowered_or_refused_with_a_place) {
  Mutator mutator(test::kernels());
  Target target;
  target.lanes = 16;
  target.avx512 = true;
  int accepted = 0;
  int lowered = 0;
  for (int i = 0; i < kMutants; ++i) {
    const std::string text = mutator.next();
    try {
      const auto module = ttir::parse(text);
      ttir::verify(*module);
      ++accepted;
      if (accepted % 20 != 0) continue;  // lowering takes ten times as long as reading
      lower(*module, target, {});
      ++lowered;
    } catch (const Error& error) {
      int line = 0;
      int column = 0;
      ASSERT_EQ(std::sscanf(error.what(), "line %d, column %d:", &line, &column), 2) << error.what() << "\n" << text;
      ASSERT_GE(line, 1);
      ASSERT_GE(column, 1);
    }
  }
  EXPECT_GT(accepted, kMutants / 20);
  EXPECT_GT(lowered, 100);
}

}  // namespace
}  // namespace fl::compiler
