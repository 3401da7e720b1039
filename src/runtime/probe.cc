#include "runtime/probe.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>

namespace fl::runtime {
namespace {

// How far the child came, one byte each through the pipe.
constexpr char kLoaded = 'l';
constexpr char kAnswered = 'a';

// Signals that a crash raises: whatever handlers the program has for them (a debugger's, Python's faulthandler's) must
// not run in the child.
constexpr int kCrashSignals[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGTRAP, SIGSYS};

[[noreturn]] void run_child(const char* path, const fl_driver_host* host, int seconds, int out) {
  for (int signal : kCrashSignals) ::signal(signal, SIG_DFL);
  ::signal(SIGALRM, SIG_DFL);
  alarm(static_cast<unsigned>(seconds));
  const rlimit no_core{0, 0};
  setrlimit(RLIMIT_CORE, &no_core);
  const int nowhere = open("/dev/null", O_RDWR);
  if (nowhere >= 0) {
    dup2(nowhere, STDOUT_FILENO);
    dup2(nowhere, STDERR_FILENO);
  }
  const auto say = [out](char stage) { return write(out, &stage, 1) == 1; };
  void* library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  bool said = say(kLoaded);
  if (library) {
    fl_driver_entry_fn entry = nullptr;
    *reinterpret_cast<void**>(&entry) = dlsym(library, FL_DRIVER_ENTRY_SYMBOL);
    const fl_driver* driver = nullptr;
    char why[256] = "";
    if (entry) {
      try {
        entry(host, &driver, why, sizeof(why));
      } catch (...) {  // the parent meets the same exception and reports it
      }
    }
  }
  said = said && say(kAnswered);
  _exit(said ? 0 : 1);
}

// Waits for the child's end and returns the stage that it reached. The pipe closes when the child dies, however it
// does.
char last_stage(int in) {
  char stage = 0;
  for (;;) {
    char next = 0;
    const ssize_t got = read(in, &next, 1);
    if (got == 1) {
      stage = next;
    } else if (got == 0 || errno != EINTR) {
      return stage;
    }
  }
}

}  // namespace

std::string probe_driver_library(const std::string& path, const fl_driver_host* host, int seconds) {
  int pipe_ends[2];
  if (pipe2(pipe_ends, O_CLOEXEC) != 0) return "";
  const pid_t child = fork();
  if (child < 0) {
    close(pipe_ends[0]);
    close(pipe_ends[1]);
    return "";
  }
  if (child == 0) run_child(path.c_str(), host, seconds, pipe_ends[1]);
  close(pipe_ends[1]);
  const char stage = last_stage(pipe_ends[0]);
  close(pipe_ends[0]);
  int status = 0;
  pid_t reaped = 0;
  do {
    reaped = waitpid(child, &status, 0);
  } while (reaped < 0 && errno == EINTR);
  // Without a status (the program ignores SIGCHLD, so that the kernel reaps its children) the stage alone tells.
  if (stage == kAnswered) return "";
  const std::string when = stage == kLoaded ? "while its entry was called" : "while it was loaded";
  if (reaped == child && WIFSIGNALED(status)) {
    const int signal = WTERMSIG(status);
    if (signal == SIGALRM) return "did not come back within " + std::to_string(seconds) + " s " + when;
    return "crashed " + when + " (signal " + std::to_string(signal) + ", " + strsignal(signal) + ")";
  }
  return "ended the process " + when;
}

}  // namespace fl::runtime
