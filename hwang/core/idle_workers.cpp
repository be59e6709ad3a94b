#include "idle_workers.h"

#include <algorithm>
#include <pthread.h>
#include <thread>

#include "decode.h"

namespace hwang {

namespace {

// What one request on all cores may need, and then some.
std::size_t max_threads() { return std::max(24u, 2 * std::thread::hardware_concurrency()); }
constexpr std::size_t max_bytes = 64 << 20;

}  // namespace

IdleWorkers::IdleWorkers() {
  pthread_atfork([] { of_process().mutex_.lock(); }, [] { of_process().mutex_.unlock(); },
                 [] { of_process().leave_to_parent(); });
}

// Never destroyed: workers may still be given back while the process exits.
IdleWorkers& IdleWorkers::of_process() {
  static IdleWorkers& only = *new IdleWorkers;
  return only;
}

void IdleWorkers::leave_to_parent() {
  for (Idle& idle : idle_) static_cast<void>(idle.worker.release());
  idle_.clear();
  mutex_.unlock();
}

std::unique_ptr<Worker> IdleWorkers::take(const Video& video, int threads, Care care) {
  std::vector<Idle> ended;  // behind the lock
  const std::lock_guard lock(mutex_);
  std::unique_ptr<Worker> found;
  for (auto idle = idle_.end(); idle != idle_.begin();) {
    --idle;
    if (idle->video != &video) continue;
    const bool fits = idle->worker->threads == threads && idle->worker->care == care;
    if (fits && found) continue;
    if (fits)
      found = std::move(idle->worker);
    else
      ended.push_back(std::move(*idle));
    idle = idle_.erase(idle);
  }
  return found;
}

void IdleWorkers::keep(const Video& video, std::unique_ptr<Worker> worker) {
  std::vector<Idle> ended;
  const std::lock_guard lock(mutex_);
  idle_.push_back({&video, std::move(worker)});
  std::size_t threads = 0, bytes = 0, own = 0;
  for (const Idle& idle : idle_) {
    threads += idle.worker->threads > 1 ? static_cast<std::size_t>(idle.worker->threads) : 0;
    bytes += idle.worker->bytes();
    own += idle.video == &video;
  }
  for (auto idle = idle_.begin(); idle != idle_.end();) {
    const bool of_video = idle->video == &video;
    const bool too_many =
        of_video ? own > static_cast<std::size_t>(video.threads) : threads > max_threads() || bytes > max_bytes;
    if (!too_many) {
      ++idle;
      continue;
    }
    threads -= idle->worker->threads > 1 ? static_cast<std::size_t>(idle->worker->threads) : 0;
    bytes -= idle->worker->bytes();
    own -= of_video;
    ended.push_back(std::move(*idle));
    idle = idle_.erase(idle);
  }
}

void IdleWorkers::drop(const Video& video) {
  std::vector<Idle> ended;
  const std::lock_guard lock(mutex_);
  const auto others =
      std::stable_partition(idle_.begin(), idle_.end(), [&](const Idle& idle) { return idle.video != &video; });
  std::move(others, idle_.end(), std::back_inserter(ended));
  idle_.erase(others, idle_.end());
}

}  // namespace hwang
