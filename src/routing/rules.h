// Rules: who wants which operators on which chain, and which rule decides.
//
// Source first (API, environment, file, shipped file), then how exactly the pattern names the operator (overload, base
// name, glob), then the last one. Here words get their meaning: an unknown operator, target or driver is found here.
#ifndef FLAGOS_ROUTING_RULES_H_
#define FLAGOS_ROUTING_RULES_H_

#include <string>
#include <string_view>
#include <vector>

#include "routing/catalog.h"
#include "routing/conf_file.h"
#include "routing/conf_parser.h"

namespace fl::routing {

// In order of priority. kInitial is the operator's own declaration, taken when no rule speaks of it.
enum class Source { kApi, kEnvironment, kFile, kShipped, kInitial };
const char* source_name(Source source);  // "api", "environment", "file", "shipped", "initial"

// How a pattern names an operator, the more exact the larger.
enum class Match { kNone, kGlob, kBase, kExact };
Match match(std::string_view pattern, std::string_view op);

struct Rule {
  Source source = Source::kInitial;
  std::string pattern;
  std::string driver;          // "" for all
  std::vector<int32_t> chain;  // target ids, left to right
  Location at;
  std::string reason;   // the comment beside it
  int32_t handle = -1;  // of an override of the API
};

// "mm = flagos, cpu" with the names that the targets were declared by.
std::string chain_text(const Rule& rule, const Catalog& catalog);

// Target ids of written words; throws at the first unknown or repeated one, with its column. `at` locates the line.
std::vector<int32_t> resolve_chain(const std::vector<Word>& chain, const Location& at, const Catalog& catalog);
// Throws when `pattern` names no operator.
void require_operator(const Word& pattern, const Location& at, const Catalog& catalog);
void require_driver(const std::string& name, const Location& at, const Catalog& catalog);

// The rules of a conf file; throws with file, line and column at the first word without a meaning.
std::vector<Rule> rules_of(const Conf& conf, Source source, const Catalog& catalog);

// The rules of FLAGOS_OP_<name>: pairs of (<name>, chain). A name is an operator's overload or base name with "__" for
// each '.', found by writing every known operator so, because names have "__" of their own.
std::vector<Rule> rules_of_environment(const std::vector<std::pair<std::string, std::string>>& variables,
                                       const Catalog& catalog);

// The rule of one source that decides for the operator on the driver; nullptr when none speaks of it.
const Rule* decide(const std::vector<Rule>& rules, std::string_view op, std::string_view driver);

}  // namespace fl::routing

#endif  // FLAGOS_ROUTING_RULES_H_
