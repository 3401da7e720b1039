#include "flagos/base.h"

extern "C" const char* fl_version(void) { return FLAGOS_VERSION; }
