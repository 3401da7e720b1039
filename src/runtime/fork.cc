#include "runtime/fork.h"

#include <pthread.h>

#include "runtime/block_pool.h"
#include "runtime/devices.h"
#include "runtime/event.h"
#include "runtime/kernel.h"
#include "runtime/stream.h"

namespace fl::runtime {
namespace {

// Note [Order of locks]
// pinned pool, kernel retirement, then for a device: growth of the block pool, deferred releases, streams, events, the
// block pool's spin lock. A thread that holds one takes only later ones, in devices of ascending index. The fork takes
// them all in this order, so that none is held by a thread that the child does not have.
void lock_all() {
  Devices& devices = Devices::get();
  devices.pinned().lock_for_fork();
  for (const auto& device : devices.all()) device->retired_kernels->lock_for_fork();
  for (const auto& device : devices.all()) device->memory->lock_for_fork();
  for (const auto& device : devices.all()) {
    device->streams->lock_for_fork();
    device->events->lock_for_fork();
  }
  for (const auto& device : devices.all()) device->memory->spin_for_fork();
}

void unlock_all() {
  Devices& devices = Devices::get();
  for (const auto& device : devices.all()) {
    device->memory->unlock_after_fork();
    device->events->unlock_after_fork();
    device->streams->unlock_after_fork();
    device->retired_kernels->unlock_after_fork();
  }
  devices.pinned().unlock_after_fork();
}

void unlock_child() {
  unlock_all();
  for (const auto& device : Devices::get().all()) device->after_fork_in_child();
}

}  // namespace

void install_fork_handlers() { pthread_atfork(lock_all, unlock_all, unlock_child); }

}  // namespace fl::runtime
