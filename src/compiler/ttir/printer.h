// Tile IR back to text, in the syntax that parser.h reads: parse(print(m)) prints the same again.
#pragma once

#include <string>

#include "compiler/ttir/ir.h"

namespace fl::ttir {

std::string print(const Module& module);

}  // namespace fl::ttir
