// Words get their meaning, and of the rules that match the right one decides.
#include "routing/rules.h"

#include <algorithm>

#include "base/error.h"
#include "base/text.h"

namespace fl::routing {
namespace {

bool is_glob(std::string_view pattern) { return pattern.find_first_of("*?") != std::string_view::npos; }

// Wildcards by going back to the last '*': quadratic at worst, no recursion.
bool glob_matches(std::string_view pattern, std::string_view name) {
  size_t p = 0;
  size_t star = std::string_view::npos;
  size_t retry = 0;
  for (size_t n = 0; n < name.size();) {
    if (p < pattern.size() && (pattern[p] == '?' || pattern[p] == name[n]) && pattern[p] != '*') {
      ++p;
      ++n;
    } else if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      retry = n;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      n = ++retry;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

// "add.Tensor" -> "add__Tensor", as the name of a variable has it.
std::string as_variable(std::string_view op) {
  std::string text;
  for (char c : op) text += c == '.' ? std::string("__") : std::string(1, c);
  return text;
}

}  // namespace

const char* source_name(Source source) {
  switch (source) {
    case Source::kApi:
      return "api";
    case Source::kEnvironment:
      return "environment";
    case Source::kFile:
      return "file";
    case Source::kShipped:
      return "shipped";
    case Source::kInitial:
      return "initial";
  }
  return "";
}

Match match(std::string_view pattern, std::string_view op) {
  if (pattern == op) return Match::kExact;
  if (pattern == base_name(op)) return Match::kBase;
  return is_glob(pattern) && glob_matches(pattern, op) ? Match::kGlob : Match::kNone;
}

std::string chain_text(const Rule& rule, const Catalog& catalog) {
  std::string text = rule.pattern + " = ";
  for (size_t i = 0; i < rule.chain.size(); ++i) {
    text += (i > 0 ? ", " : "") + catalog.targets()[static_cast<size_t>(rule.chain[i])].name;
  }
  return text;
}

std::vector<int32_t> resolve_chain(const std::vector<Word>& chain, const Location& at, const Catalog& catalog) {
  std::vector<int32_t> ids;
  for (const Word& word : chain) {
    const Location here{at.file, at.line, word.column};
    const Target* target = catalog.find_target(word.text);
    if (target == nullptr) {
      fail_at(here, formatted("unknown target '%s'.%s The targets are: %s.", word.text.c_str(),
                              catalog.suggest_target(word.text).c_str(), catalog.target_names().c_str()));
    }
    if (std::find(ids.begin(), ids.end(), target->id) != ids.end()) {
      fail_at(here, formatted("target '%s' stands twice in this chain; remove one.", target->name.c_str()));
    }
    ids.push_back(target->id);
  }
  return ids;
}

void require_operator(const Word& pattern, const Location& at, const Catalog& catalog) {
  const Location here{at.file, at.line, pattern.column};
  if (is_glob(pattern.text)) {
    const auto matches = [&](const Operator& op) { return glob_matches(pattern.text, op.name); };
    if (pattern.text == "*" || std::any_of(catalog.operators().begin(), catalog.operators().end(), matches)) return;
    fail_at(here, formatted("'%s' matches no operator. Remove it, or see 'flagos routes' for the names.",
                            pattern.text.c_str()));
  }
  if (catalog.find_operator(pattern.text) != nullptr || catalog.knows_base(pattern.text)) return;
  fail_at(here,
          formatted("unknown operator '%s'.%s", pattern.text.c_str(), catalog.suggest_operator(pattern.text).c_str()));
}

void require_driver(const std::string& name, const Location& at, const Catalog& catalog) {
  if (catalog.knows_driver(name)) return;
  fail_at(at, formatted("unknown driver '%s'.%s", name.c_str(), catalog.suggest_driver(name).c_str()));
}

std::vector<Rule> rules_of(const Conf& conf, Source source, const Catalog& catalog) {
  for (const ConfSection& section : conf.sections) require_driver(section.name, section.at, catalog);
  std::vector<Rule> rules;
  for (const ConfLine& line : conf.lines) {
    require_operator(line.pattern, line.at, catalog);
    rules.push_back({source, line.pattern.text, line.section, resolve_chain(line.chain, line.at, catalog), line.at,
                     line.reason, -1});
  }
  return rules;
}

std::vector<Rule> rules_of_environment(const std::vector<std::pair<std::string, std::string>>& variables,
                                       const Catalog& catalog) {
  std::vector<Rule> rules;
  for (const auto& variable : variables) {
    const std::string& suffix = variable.first;
    const std::string& value = variable.second;
    const Location at{"FLAGOS_OP_" + suffix, 0, 0};
    std::vector<std::string> patterns;
    const auto offer = [&](std::string_view pattern) {
      const bool seen = std::find(patterns.begin(), patterns.end(), pattern) != patterns.end();
      if (!seen && as_variable(pattern) == suffix) patterns.emplace_back(pattern);
    };
    for (const Operator& op : catalog.operators()) {
      offer(op.name);
      offer(base_name(op.name));
    }
    if (patterns.empty()) {
      std::vector<std::string> written;
      for (const Operator& op : catalog.operators()) {
        written.push_back(as_variable(op.name));
        written.push_back(as_variable(base_name(op.name)));
      }
      const std::string near = closest(suffix, {written.begin(), written.end()});
      fail_at(at, "no operator has this name." +
                      (near.empty() ? std::string() : " Did you mean FLAGOS_OP_" + near + "?") +
                      " Write an overload or a base name with '__' for '.', as in FLAGOS_OP_add__Tensor=cpu.");
    }
    const std::vector<int32_t> chain = resolve_chain(parse_chain(value, at), at, catalog);
    for (const std::string& pattern : patterns) rules.push_back({Source::kEnvironment, pattern, "", chain, at, "", -1});
  }
  return rules;
}

const Rule* decide(const std::vector<Rule>& rules, std::string_view op, std::string_view driver) {
  const Rule* best = nullptr;
  Match exactness = Match::kNone;
  for (const Rule& rule : rules) {
    if (!rule.driver.empty() && rule.driver != driver) continue;
    const Match found = match(rule.pattern, op);
    if (found == Match::kNone || found < exactness) continue;
    best = &rule;
    exactness = found;
  }
  return best;
}

}  // namespace fl::routing
