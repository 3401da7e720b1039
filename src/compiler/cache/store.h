// Compiled kernels on disk: a file a key, found by its name, never written in place.
#ifndef FLAGOS_COMPILER_CACHE_STORE_H_
#define FLAGOS_COMPILER_CACHE_STORE_H_

#include <filesystem>
#include <optional>

#include "compiler/cache/compiled.h"

namespace fl::compiler {

// The folder of the files: below `folder`, or below what the environment names when it is null.
std::filesystem::path cache_folder(const char* folder);

// The kernel of the key, when a whole and unchanged file of it is there.
std::optional<fl_compiled> find(const std::filesystem::path& folder, const Key& key);

// Throws an Error of FL_INTERNAL when the file cannot be written.
void store(const std::filesystem::path& folder, const fl_compiled& compiled);

}  // namespace fl::compiler

#endif  // FLAGOS_COMPILER_CACHE_STORE_H_
