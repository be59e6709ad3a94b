#pragma once

#include <nanobind/nanobind.h>

namespace hwang {

// Makes the calling thread one that its caller may leave behind (hwang/timelimit.py): for the thread's whole life.
void may_be_left_behind();
bool is_left_behind_able();

// For the exit of the process: from here on such threads do not come back to Python, which is about to end. They would
// be ended in the middle of C++, and take the process with them.
void keep_threads_out();

// Lets other threads run Python in its scope.
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
