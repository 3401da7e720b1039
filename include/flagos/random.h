/* Counter-based random numbers: what a call returns depends on (seed, offset) and the call alone. */
#ifndef FLAGOS_RANDOM_H_
#define FLAGOS_RANDOM_H_

#include "flagos/base.h"

#endif /* FLAGOS_RANDOM_H_ */
