#pragma once

#include <nanobind/nanobind.h>

#include "released.h"
#include "stop.h"

namespace hwang {

// Work in progress on behalf of Python: ends when the flag is set, or at a signal such as Ctrl-C. Signals are none of a
// thread's business that may be left behind: its caller waits for them.
inline Cancellation cancellation(const StopFlag& flag) {
  if (is_left_behind_able()) return {flag, {}};
  return {flag, [] {
            const nanobind::gil_scoped_acquire acquired;
            if (PyErr_CheckSignals()) throw nanobind::python_error();
          }};
}

void bind_encoder(nanobind::module_& m);

}  // namespace hwang
