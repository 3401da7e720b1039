#include "drivers/sim/engine.h"

#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>

#include "base/error.h"

namespace fl::drivers::sim {
namespace {

std::atomic<bool> g_forked{false};  // this process is a child that was forked after open()

// The least distance: it holds the usual settings, so that all of them share compiled kernels.
constexpr uint64_t kLeastDistance = uint64_t{64} << 30;

// Signals are for the program's own threads, but for those that a thread's own instruction raises: blocked, they would
// end the process without the handler that has something to say about it.
std::thread start_thread(std::function<void()> body) {
  sigset_t blocked, before;
  sigfillset(&blocked);
  for (const int own : {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP}) sigdelset(&blocked, own);
  pthread_sigmask(SIG_SETMASK, &blocked, &before);
  try {
    std::thread thread(std::move(body));
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    return thread;
  } catch (...) {
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    throw;
  }
}

}  // namespace

std::shared_ptr<Block> BlockMap::find(uint64_t begin, uint64_t size) const {
  auto next = blocks_.upper_bound(begin);
  if (next == blocks_.begin()) return nullptr;
  const std::shared_ptr<Block>& block = std::prev(next)->second;
  const uint64_t offset = begin - block->begin;
  return offset <= block->size && size <= block->size - offset ? block : nullptr;
}

std::shared_ptr<Block> BlockMap::at(uint64_t begin) const {
  const auto found = blocks_.find(begin);
  return found == blocks_.end() ? nullptr : found->second;
}

bool BlockMap::overlaps(uint64_t begin, uint64_t size) const {
  const auto next = blocks_.lower_bound(begin);
  if (next != blocks_.end() && next->first - begin < size) return true;
  return next != blocks_.begin() && begin - std::prev(next)->first < std::prev(next)->second->size;
}

void BlockMap::add(std::shared_ptr<Block> block) {
  const uint64_t begin = block->begin;
  blocks_.emplace(begin, std::move(block));
}

void BlockMap::remove(uint64_t begin) { blocks_.erase(begin); }

uint64_t Stream::submit(Command command) {
  if (!thread_.joinable()) thread_ = start_thread([this] { run(); });
  queue_.push_back(std::move(command));
  for (const auto& block : queue_.back().uses) ++block->in_flight;
  arrived_.notify_one();
  return ++submitted_;
}

void Stream::wait(Lock& lock, uint64_t ticket) {
  engine().changed.wait(lock, [&] { return completed_ >= ticket; });
}

void Stream::close(Lock& lock) {
  wait(lock, submitted_);
  closing_ = true;
  arrived_.notify_one();
  if (!thread_.joinable()) return;
  lock.unlock();
  thread_.join();
  lock.lock();
}

void Stream::run() {
  Engine& sim = engine();
  Lock lock(sim.mutex);
  for (;;) {
    arrived_.wait(lock, [&] { return closing_ || !queue_.empty(); });
    if (queue_.empty()) return;
    Command command = std::move(queue_.front());
    queue_.pop_front();
    if (command.ready) sim.changed.wait(lock, [&] { return device_.lost || command.ready(); });
    if (command.work && !device_.lost) {
      lock.unlock();
      command.work();
      lock.lock();
    }
    if (command.finish) command.finish();
    for (const auto& block : command.uses) --block->in_flight;
    ++completed_;
    sim.changed.notify_all();
  }
}

Engine& engine() {
  static Engine* const instance = new Engine;
  return *instance;
}

uint64_t Engine::distance() const {
  return std::max(kLeastDistance, std::bit_ceil(settings.memory * static_cast<uint64_t>(settings.devices)));
}

// One reservation of twice the distance: the lower half is the devices' addresses and stays inaccessible, the upper
// half is the memory behind them. Only pages that a worker touches cost anything.
void Engine::open() {
  if (opened()) return;
  const auto reserved = [](const char* what, bool done) {
    if (!done)
      fail(FL_INTERNAL, "The simulated accelerator cannot %s (%s); raise ulimit -v or lower FLAGOS_SIM_MEMORY.", what,
           std::strerror(errno));
  };
  void* const begin = mmap(nullptr, 2 * distance(), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  reserved("reserve its address space", begin != MAP_FAILED);
  madvise(begin, 2 * distance(), MADV_DONTFORK);  // a child that follows a device address faults
  madvise(begin, 2 * distance(), MADV_DONTDUMP);
  const auto base = reinterpret_cast<uint64_t>(begin);
  reserved("map its memory",
           mprotect(reinterpret_cast<void*>(base + distance()),
                    settings.memory * static_cast<uint64_t>(settings.devices), PROT_READ | PROT_WRITE) == 0);
  for (int32_t index = 0; index < settings.devices; ++index) {
    auto device = std::make_unique<Device>();
    device->index = index;
    device->window = base + settings.memory * static_cast<uint64_t>(index);
    device->room.emplace(device->window, settings.memory);
    device->default_stream = std::make_shared<Stream>(*device);
    devices.push_back(std::move(device));
  }
  pthread_atfork(nullptr, nullptr, [] { g_forked.store(true, std::memory_order_relaxed); });
  opened_.store(true, std::memory_order_release);
}

void refuse_forked_child() {
  if (g_forked.load(std::memory_order_relaxed))
    fail(
        FL_UNSUPPORTED,
        "The simulated accelerator cannot be used in a forked child; start the process by spawn or forkserver, or keep "
        "to the CPU there.");
}

void check_device_index(int32_t device) {
  const int32_t devices = engine().settings.devices;
  if (device < 0 || device >= devices)
    fail(FL_INVALID_ARGUMENT,
         "The simulated accelerator has no device %d; it has %d (FLAGOS_SIM_DEVICES sets how many).", device, devices);
}

Call::Call(int32_t device, Purpose purpose) {
  refuse_forked_child();
  check_device_index(device);
  lock_ = Lock(engine().mutex);
  engine().open();
  device_ = engine().devices[static_cast<size_t>(device)].get();
  if (purpose == Purpose::kWork) check_alive();
}

void Call::check_alive() const {
  if (device_->lost)
    fail(FL_DEVICE_LOST,
         "Device %d of the simulated accelerator was lost, and its memory with it; start the program again.",
         device_->index);
}

}  // namespace fl::drivers::sim
