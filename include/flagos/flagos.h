/* The C ABI of libflagos.so, the core: everything of flagos that does not know PyTorch.
 *
 * Rules of every function
 *  - It returns a status; the text of a failure is fl_last_error() on the same thread until that thread's next failure.
 *  - Any thread may call it. No exception crosses it, with the one exception that routing.h names.
 *  - The first call that needs a device reads the environment and finds the drivers; nothing happens at load.
 *  - Text is handed out through a sink, called one or more times before the function returns, so nobody owns it.
 */
#ifndef FLAGOS_FLAGOS_H_
#define FLAGOS_FLAGOS_H_

#include "flagos/base.h"
#include "flagos/hal.h"
#include "flagos/random.h"
#include "flagos/routing.h"
#include "flagos/runtime.h"
#include "flagos/transformer.h"

#endif /* FLAGOS_FLAGOS_H_ */
