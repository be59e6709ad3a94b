#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/stl/tuple.h>
#include <tuple>

#include "av.h"
#include "released.h"
#include "stop.h"

namespace hwang {

// Throws if the flag is set, or at a signal such as Ctrl-C.
inline void check_now(const StopFlag& flag) {
  if (flag.is_set()) throw Error(Kind::stopped, "stopped by the caller");
  if (is_left_behind_able()) return;
  const nanobind::gil_scoped_acquire acquired;
  if (PyErr_CheckSignals()) throw nanobind::python_error();
}

// Ends work for Python when the flag is set, or at a signal such as Ctrl-C. Threads that may be left behind do not poll
// for signals: their caller does.
inline Cancellation cancellation(const StopFlag& flag) {
  if (is_left_behind_able()) return {flag, {}};
  return {flag, [] {
            const nanobind::gil_scoped_acquire acquired;
            if (PyErr_CheckSignals()) throw nanobind::python_error();
          }};
}

// Runs `work` without Python's lock.
template <typename Work>
auto without_python(const StopFlag& flag, Work work) {
  const Released released;
  auto cancelled = cancellation(flag);
  return work(cancelled);
}

// (primaries, transfer, matrix, range)
using PyColor = std::tuple<int, int, int, int>;

inline Color color_of(const PyColor& color) {
  const auto [primaries, transfer, matrix, range] = color;
  return {primaries, transfer, matrix, range};
}

void bind_encoder(nanobind::module_& m);

}  // namespace hwang
