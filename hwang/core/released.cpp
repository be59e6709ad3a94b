#include "released.h"

#include <atomic>
#include <chrono>
#include <pthread.h>
#include <thread>
#include <unistd.h>

namespace hwang {

namespace {

std::atomic<bool> exiting = false;
std::atomic<int> threads = 0;    // that may be left behind and still run
std::atomic<int> returning = 0;  // those on their way back to Python

struct Mark {
  bool set = false;
  ~Mark() { threads -= set; }
};
thread_local Mark mark;

// The other threads do not exist in a forked child; what they refer to remains, and is no leak.
[[maybe_unused]] const int at_fork = pthread_atfork(nullptr, nullptr, [] {
  threads = mark.set;
  returning = 0;
  nanobind::set_leak_warnings(false);
});

}  // namespace

void may_be_left_behind() {
  threads += !mark.set;
  mark.set = true;
}

bool is_left_behind_able() { return mark.set; }

void keep_threads_out() {
  exiting = true;
  {
    // Waits for threads that are on their way back, with a limit.
    const nanobind::gil_scoped_release released;
    for (int i = 0; returning && i < 1000; i++) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  if (threads) nanobind::set_leak_warnings(false);  // objects of those threads are no leaks
}

Released::Released() : state_(PyEval_SaveThread()) {}

Released::~Released() {
  if (!mark.set) {
    PyEval_RestoreThread(state_);
    return;
  }
  returning++;
  if (exiting) {
    returning--;
    for (;;) pause();
  }
  PyEval_RestoreThread(state_);
  returning--;
}

}  // namespace hwang
