// Tile IR back to text, in the syntax that parser.h reads: parse(print(m)) prints the same again.
#ifndef FLAGOS_COMPILER_TTIR_PRINTER_H_
#define FLAGOS_COMPILER_TTIR_PRINTER_H_

#include <string>

#include "compiler/ttir/ir.h"

namespace fl::ttir {

std::string print(const Module& module);

}  // namespace fl::ttir

#endif  // FLAGOS_COMPILER_TTIR_PRINTER_H_
