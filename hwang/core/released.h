#pragma once

#include <nanobind/nanobind.h>

namespace hwang {

// Marks the calling thread as one that its caller may leave behind (hwang/timelimit.py), for the thread's whole life.
void may_be_left_behind();
bool is_left_behind_able();

// Called when the process exits: from now on such threads do not return to Python, which is shutting down. It would end
// them in the middle of C++, and the process with them.
void keep_threads_out();

// Releases Python's lock in its scope.
class Released {
 public:
  Released();
  ~Released();
  Released(const Released&) = delete;
  Released& operator=(const Released&) = delete;

 private:
  PyThreadState* state_;
};

}  // namespace hwang
