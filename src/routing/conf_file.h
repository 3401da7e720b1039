// A conf file with everything that it includes, as one flat list of lines, and where to look for such files.
// What the words mean is asked in rules.h.
#ifndef FLAGOS_ROUTING_CONF_FILE_H_
#define FLAGOS_ROUTING_CONF_FILE_H_

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "routing/conf_parser.h"

namespace fl::routing {

struct ConfLine {
  Location at;          // of the pattern
  std::string section;  // "" for all drivers
  Word pattern;
  std::vector<Word> chain;
  std::string reason;
};

struct ConfSection {
  Location at;
  std::string name;
};

struct Conf {
  std::vector<std::string> files;  // in the order in which they were opened; the first is the one asked for
  std::vector<ConfSection> sections;
  std::vector<ConfLine> lines;
};

// The bytes of a file, or nothing when there is none at `path`. It throws an Error when there is one that cannot be
// read.
using ReadFile = std::function<std::optional<std::string>(const std::string& path)>;

// The real one: regular files of at most kConfSizeLimit bytes.
constexpr size_t kConfSizeLimit = size_t{1} << 20;
std::optional<std::string> read_conf_file(const std::string& path);

// The first of `folders` in which a relative `path` exists, joined and made absolute; an absolute path is itself.
// Nothing when it is nowhere.
std::optional<std::string> find_conf_file(const std::string& path, const std::vector<std::string>& folders,
                                          const ReadFile& read);

// Reads `path` (as found) and its includes, in place, as if they were typed there: a section that an included file
// opens goes on after the include. A relative include is looked for beside the file that names it, then in `folders`.
// Throws with file, line and column: a missing, cyclic, binary or too deep include, and all that parse_conf throws.
Conf read_conf(const std::string& path, const std::vector<std::string>& folders, const ReadFile& read);

}  // namespace fl::routing

#endif  // FLAGOS_ROUTING_CONF_FILE_H_
