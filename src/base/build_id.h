// Which build of the code this is: the linker's hash over everything it linked (GNU build-id note).
#ifndef FLAGOS_BASE_BUILD_ID_H_
#define FLAGOS_BASE_BUILD_ID_H_

#include <string>

namespace fl {

// Hexadecimal digits, of the library or program that this function was linked into. An Error of FL_INTERNAL where it
// was linked without the note (ld --build-id).
const std::string& build_id();

}  // namespace fl

#endif  // FLAGOS_BASE_BUILD_ID_H_
