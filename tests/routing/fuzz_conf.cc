// The conf format under arbitrary input: parser, includes and the meaning of the words. An input is one or more files,
// parted by form feeds: "/0" is read, the others can be included. Nothing may happen but an Error of
// FL_INVALID_ARGUMENT that begins with a file, a line and a column.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "routing/catalog.h"
#include "routing/conf_file.h"
#include "routing/rules.h"

namespace {

using namespace fl::routing;

const Catalog& catalog() {
  static const Catalog* const made = [] {
    auto* all = new Catalog;
    for (const char* name : {"cpu", "flagos", "cuda"}) {
      fl_target_info info{};
      info.struct_size = sizeof info;
      info.name = name;
      info.absent = "nothing runs in a fuzzer";
      all->declare_target(info);
    }
    for (const char* name : {"mm", "mm.out", "add.Tensor", "__and__.Tensor", "_foreach_add.List"}) {
      const fl_operator_info info{sizeof info, name, "cpu", nullptr};
      all->declare_operator(info);
    }
    all->declare_driver(0, "host");
    all->declare_driver(1, "sim");
    return all;
  }();
  return *made;
}

// "/<digits>:<line>:<column>: ".
bool names_a_place(std::string_view text) {
  size_t i = 0;
  const auto digits = [&] {
    const size_t begin = i;
    while (i < text.size() && text[i] >= '0' && text[i] <= '9') ++i;
    return i > begin;
  };
  const auto is = [&](char c) { return i < text.size() && text[i++] == c; };
  return is('/') && digits() && is(':') && digits() && is(':') && digits() && is(':') && is(' ');
}

template <class Body>
void only_good_errors(bool places, Body body) {
  try {
    body();
  } catch (const fl::Error& error) {
    if (error.status() != FL_INVALID_ARGUMENT || (places && !names_a_place(error.what()))) std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  std::vector<std::string> files;
  for (size_t begin = 0; begin <= input.size();) {
    const size_t end = std::min(input.find('\f', begin), input.size());
    files.emplace_back(input.substr(begin, end - begin));
    begin = end + 1;
  }
  const ReadFile read = [&](const std::string& path) -> std::optional<std::string> {
    if (path.size() != 2 || path[0] != '/' || path[1] < '0' || path[1] > '9') return std::nullopt;
    const auto number = static_cast<size_t>(path[1] - '0');
    return number < files.size() ? std::optional(files[number]) : std::nullopt;
  };
  only_good_errors(true, [&] {
    const Conf conf = read_conf("/0", {"/"}, read);
    const std::vector<Rule> rules = rules_of(conf, Source::kFile, catalog());
    for (const Operator& op : catalog().operators()) {
      for (const std::string& driver : catalog().drivers()) {
        const Rule* rule = decide(rules, op.name, driver);
        // What decides must match, and name known targets.
        if (rule == nullptr) continue;
        if (match(rule->pattern, op.name) == Match::kNone || rule->chain.empty()) std::abort();
        if (chain_text(*rule, catalog()).empty()) std::abort();
      }
    }
  });
  // The same bytes as a variable's name and value.
  const size_t equals = std::min(input.find('='), input.size());
  const std::string value(input.substr(std::min(equals + 1, input.size())));
  only_good_errors(false, [&] { rules_of_environment({{std::string(input.substr(0, equals)), value}}, catalog()); });
  return 0;
}
