// What environment and conf files say, read together at first need and again at reset: the rules of each source but the
// API, and the switches of routing.
#ifndef FLAGOS_ROUTING_SETTINGS_H_
#define FLAGOS_ROUTING_SETTINGS_H_

#include <map>
#include <string>
#include <vector>

#include "routing/catalog.h"
#include "routing/conf_file.h"
#include "routing/rules.h"

namespace fl::routing {

struct RuleFile {
  Conf conf;  // without files when there is none
  std::vector<Rule> rules;
};

class Settings {
 public:
  // Reads the environment, the file of FLAGOS_BACKEND_CONFIG and the shipped files of the drivers declared so far.
  // Throws with the location of the first thing that is wrong.
  Settings(const Catalog& catalog, const std::string& shipped_folder);

  // The shipped file of a driver, backends_<driver>.conf or else backends.conf; read here for a driver that was
  // declared after the rest was read.
  const RuleFile& shipped(const std::string& driver, const Catalog& catalog);

  bool strict = false;
  uint32_t trace = 0;  // FL_TRACE_* asked for by the environment
  std::string shadow;  // the reference of FLAGOS_SHADOW
  std::vector<Rule> environment;
  RuleFile file;
  const std::map<std::string, RuleFile>& shipped_files() const { return shipped_; }

 private:
  std::string shipped_folder_;
  std::map<std::string, RuleFile> shipped_;  // by driver
};

}  // namespace fl::routing

#endif  // FLAGOS_ROUTING_SETTINGS_H_
