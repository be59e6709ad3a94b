#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <thread>

#include "error.h"

namespace hwang {

// Stops work in progress. May be set from any thread.
class StopFlag {
 public:
  void set() { set_ = true; }
  bool is_set() const { return set_; }

 private:
  std::atomic<bool> set_ = false;
};

// Checked by all threads of one request between two samples.
class Cancellation {
 public:
  // `poll` is called now and then by the thread that constructs this object, and may throw.
  Cancellation(const StopFlag& flag, std::function<void()> poll) : flag_(flag), poll_(std::move(poll)) {}

  // Throws if the work shall stop.
  void check() {
    if (flag_.is_set()) throw Error(Kind::stopped, "stopped by the caller");
    if (abandoned_) throw Error(Kind::stopped, "another thread of the request failed");
    if (std::this_thread::get_id() != owner_ || !poll_) return;
    const auto now = std::chrono::steady_clock::now();
    if (now - polled_ < std::chrono::milliseconds(50)) return;
    polled_ = now;
    poll_();
  }

  // Stops the other threads when one has failed.
  void abandon() { abandoned_ = true; }

 private:
  const StopFlag& flag_;
  const std::function<void()> poll_;
  const std::thread::id owner_ = std::this_thread::get_id();
  std::chrono::steady_clock::time_point polled_ = std::chrono::steady_clock::now();
  std::atomic<bool> abandoned_ = false;
};

}  // namespace hwang
