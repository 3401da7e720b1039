// Runs a fuzzer without libFuzzer: mutates seed inputs with a seeded generator, so that a run can be repeated exactly.
// It does not look at coverage. An input that crashes is written to ./crash-<name of the program> first, for the
// crash itself may end the process.
//   fuzz_x [-runs=N] [-seed=S] FOLDER|FILE...     a FILE is run as it is, once
#include <algorithm>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <utility>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);
// The sanitizers' own; absent in a build without them.
extern "C" void __sanitizer_set_death_callback(void (*callback)()) __attribute__((weak));

namespace {

constexpr size_t kLargestInput = 1 << 16;

std::string g_input;
std::string g_crash_file;

void keep_input() {
  std::ofstream(g_crash_file, std::ios::binary) << g_input;
  std::fprintf(stderr, "the input is in %s; run the fuzzer with that file\n", g_crash_file.c_str());
}

void run(const std::string& input) {
  g_input = input;
  LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(input.data()), input.size());
}

std::string contents(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

class Mutator {
 public:
  Mutator(std::vector<std::string> seeds, uint64_t seed) : seeds_(std::move(seeds)), random_(seed) {}

  std::string next() {
    std::string input = seeds_[below(seeds_.size())];
    if (below(2) == 0) {  // text that may still be accepted
      for (size_t words = 1 + below(3); words > 0 && !input.empty(); --words) change_word(input, below(input.size()));
      return input;
    }
    for (size_t round = 1 + below(8); round > 0; --round) mutate(input);
    if (input.size() > kLargestInput) input.resize(kLargestInput);
    return input;
  }

 private:
  size_t below(size_t end) { return end == 0 ? 0 : random_() % end; }

  void mutate(std::string& input) {
    if (input.empty()) input.push_back('\0');
    const size_t at = below(input.size());
    const size_t length = 1 + below(std::min<size_t>(input.size() - at, 64));
    switch (below(10)) {
      case 0:
        input[at] = static_cast<char>(input[at] ^ (1 << below(8)));
        break;
      case 1:
        input[at] = static_cast<char>(random_());
        break;
      case 2:
        input.erase(at, length);
        break;
      case 3:
        input.insert(at, std::string(length, static_cast<char>(random_())));
        break;
      case 4:
        input.insert(below(input.size()), input.substr(at, length));
        break;
      case 5:
        overwrite_number(input, at);
        break;
      case 6:
        splice(input, at);
        break;
      case 7:
      case 8:
        change_word(input, at);
        break;
      default:
        input.resize(at);
        break;
    }
  }

  // A number at the edge of something, in a field of 1, 2, 4 or 8 bytes.
  void overwrite_number(std::string& input, size_t at) {
    constexpr uint64_t kEdges[] = {0,          1,          2,          7,          8,          0x7f,       0x80,
                                   0xff,       0x7fff,     0xffff,     0xfff1,     0xfff2,     0x7fffffff, 0x80000000,
                                   0xffffffff, 1ull << 32, 1ull << 47, ~0ull >> 1, 1ull << 63, ~0ull,      ~0ull - 7};
    const uint64_t number = below(4) == 0 ? below(2 * input.size()) : kEdges[below(std::size(kEdges))];
    std::memcpy(input.data() + at, &number, std::min<size_t>(size_t{1} << below(4), input.size() - at));
  }

  void splice(std::string& input, size_t at) {
    const std::string& other = seeds_[below(seeds_.size())];
    const size_t from = below(other.size());
    input.replace(at, std::string::npos, other, from, std::string::npos);
  }

  // Where text is read, what still has its form gets further than noise: the word at `at` becomes one of a seed, if one
  // that begins alike is met.
  void change_word(std::string& input, size_t at) {
    constexpr int kTries = 30;
    const auto word_at = [](const std::string& text, size_t place) {
      const size_t blank = text.find_last_of(" \n", place);
      const size_t start = blank == std::string::npos ? 0 : blank + 1;
      return std::pair(start, std::min(text.find_first_of(" \n", start), text.size()) - start);
    };
    const auto [start, length] = word_at(input, at);
    for (int tries = 0; length > 0 && tries < kTries; ++tries) {
      const std::string& other = seeds_[below(seeds_.size())];
      if (other.empty()) continue;
      const auto [from, count] = word_at(other, below(other.size()));
      if (count == 0 || other[from] != input[start]) continue;
      input.replace(start, length, other, from, count);
      return;
    }
  }

  std::vector<std::string> seeds_;
  std::mt19937_64 random_;
};

}  // namespace

int main(int argc, char** argv) {
  uint64_t runs = 0, seed = 1;
  std::vector<std::string> seeds;
  g_crash_file = "crash-" + std::filesystem::path(argv[0]).filename().string();
  if (__sanitizer_set_death_callback != nullptr) __sanitizer_set_death_callback(keep_input);
  std::signal(SIGABRT, [](int) { keep_input(); });
  for (int index = 1; index < argc; ++index) {
    const std::string argument = argv[index];
    if (argument.starts_with("-runs=")) {
      runs = std::strtoull(argument.c_str() + 6, nullptr, 10);
    } else if (argument.starts_with("-seed=")) {
      seed = std::strtoull(argument.c_str() + 6, nullptr, 10);
    } else if (std::filesystem::is_regular_file(argument)) {
      run(contents(argument));
    } else {
      for (const auto& entry : std::filesystem::directory_iterator(argument)) {
        if (entry.is_regular_file()) seeds.push_back(contents(entry.path()));
      }
    }
  }
  std::sort(seeds.begin(), seeds.end());  // a folder has no order of its own
  for (const std::string& input : seeds) run(input);
  if (seeds.empty()) seeds.emplace_back();
  Mutator mutator(seeds, seed);
  for (uint64_t count = 0; count < runs; ++count) run(mutator.next());
  std::printf("%llu inputs from %zu seeds, seed %llu\n", static_cast<unsigned long long>(runs), seeds.size(),
              static_cast<unsigned long long>(seed));
  return 0;
}
