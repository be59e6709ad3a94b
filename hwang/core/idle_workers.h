#pragma once

#include <cstddef>
#include <memory>
#include <mutex>
#include <vector>

namespace hwang {

enum class Care;
class Video;
class Worker;

// Workers that wait for the next request of their video, those of all videos of the process. Beyond a number of threads
// and bytes those that have waited longest end; the video that was used last keeps its own. A forked child has none:
// the threads of its parent's workers do not exist there.
class IdleWorkers {
 public:
  static IdleWorkers& of_process();

  // Returns a worker of the video with these properties, or nothing; its others end.
  std::unique_ptr<Worker> take(const Video& video, int threads, Care care);
  void keep(const Video& video, std::unique_ptr<Worker> worker);
  // Ends all workers of a video.
  void drop(const Video& video);

 private:
  struct Idle {
    const Video* video;
    std::unique_ptr<Worker> worker;
  };

  IdleWorkers();
  void leave_to_parent();

  std::mutex mutex_;        // not held while a worker ends
  std::vector<Idle> idle_;  // the one that has waited longest first
};

}  // namespace hwang
