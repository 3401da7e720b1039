// What a fork means to the runtime: its locks are whole in the child, the host driver goes on working there, and the
// devices of drivers that do not survive a fork answer with one clear error.
#ifndef FLAGOS_RUNTIME_FORK_H_
#define FLAGOS_RUNTIME_FORK_H_

namespace fl::runtime {

// Once a process, after the drivers were found: handlers that are registered later take their locks earlier, and the
// runtime holds its own while it calls a driver.
void install_fork_handlers();

}  // namespace fl::runtime

#endif  // FLAGOS_RUNTIME_FORK_H_
