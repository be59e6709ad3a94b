#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <unistd.h>
#include <vector>

#include "convert.h"
#include "run.h"

namespace hwang {

struct Outcome {
  std::vector<std::uint32_t> failed;  // wanted samples whose pictures did not come out, or may be wrong
  std::uint64_t samples_decoded = 0;
  std::uint64_t samples_skipped = 0;
  std::uint64_t frames_converted = 0;
  std::vector<std::uint32_t> resized;         // wanted samples whose pictures have another size than the video's
  int resized_width = 0, resized_height = 0;  // of the last of them

  void add(const Outcome& other);
};

// A decoder and a converter, for one run at a time.
class Worker {
 public:
  Worker(const Stream& stream, const Table& table, int threads, Care care)
      : threads(threads), care(care), stream_(stream), decoder_(stream, table, threads, care),
        frame_(owned<FramePtr>(av_frame_alloc())) {}

  void start(const Run& run, const Feed& feed);
  // Decodes up to the next wanted picture without known damage. Returns its position in run.wanted; nothing at the end.
  std::optional<std::size_t> next(Cancellation& cancellation);
  // Writes the picture that next() found into its slot of each of `outs`. Returns false if its size does not fit.
  bool convert(std::span<const Pictures> outs, std::size_t slot);
  // Ends a run early, and releases all that belongs to a request.
  void rest();
  // Result of the run, once it has ended.
  Outcome outcome() const;
  // Estimate of its memory: the pictures that decoders hold.
  std::size_t bytes() const;
  // Returns false in a forked child: the threads of its parent's workers do not exist there.
  bool is_of_this_process() const { return process_ == getpid(); }

  const int threads;
  const Care care;

 private:
  enum class Delivered : std::uint8_t { no, suspect, yes };
  const pid_t process_ = getpid();
  const Stream& stream_;
  RunDecoder decoder_;
  std::deque<Converter> converters_;  // one for each layout of the request
  FramePtr frame_;
  Run run_;
  std::vector<Delivered> delivered_;
  std::uint64_t converted_ = 0;
  std::uint32_t at_ = 0;  // the sample that next() found
  std::vector<std::uint32_t> resized_;
  int resized_width_ = 0, resized_height_ = 0;
};

// Decodes pictures of a video, for several requests at once. Workers, with the memory of their decoders, are kept for
// the next request (idle_workers.h).
class Video {
 public:
  // threads: number of cores that a request may use.
  Video(Stream stream, const Table& table, int threads);
  ~Video();
  Video(const Video&) = delete;
  Video& operator=(const Video&) = delete;

  // Decodes independent runs on all cores into their slots of each of `outs`.
  Outcome decode(std::span<const Run> runs, const Feed& feed, Care care, std::span<const Pictures> outs,
                 Cancellation& cancellation);
  // Returns the samples in the order in which a decoder shows them, by decoding all: for containers that do not state
  // it. Samples that show no picture are absent.
  std::vector<std::uint32_t> presentation_order(const Feed& feed, Cancellation& cancellation);

  // Returns 1 for each sample that is the second field of a frame, 0 for others.
  std::vector<std::uint8_t> second_fields(Samples samples, const Feed& feed, Cancellation& cancellation) const;

  // Returns whether one of the samples is shown before another that precedes it.
  bool reorders(Samples samples, const Feed& feed, Cancellation& cancellation) const;

  // Returns 1 for each sample that lacks a parameter set which the header has.
  std::vector<std::uint8_t> lack_sets(Samples samples, const Feed& feed, Cancellation& cancellation) const;
  // Returns the parameter sets in force from each sample on at which they become others than the header's.
  std::vector<BytesFrom> parameter_sets(const Feed& feed, Cancellation& cancellation) const;

  // A lone worker uses threads inside its decoder, two more than there are cores: they decode ahead while the caller's
  // thread converts.
  int threads_of_a_lone_worker() const { return threads > 1 ? threads + 2 : 1; }
  std::unique_ptr<Worker> take_worker(int decoder_threads, Care care = Care::none);
  void give_back(std::unique_ptr<Worker> worker);

  const Stream stream;
  const Table table;
  const int threads;

 private:
  template <typename Visit>
  void each_sample(Samples samples, const Feed& feed, Cancellation& cancellation, Visit visit) const;
};

// The wanted pictures of several runs one after another, so that a long request needs the memory of a few pictures.
class PictureStream {
 public:
  PictureStream(Video& video, std::vector<Run> runs, Feed feed)
      : video_(video), runs_(std::move(runs)), feed_(std::move(feed)),
        worker_(video.take_worker(video.threads_of_a_lone_worker())) {}
  ~PictureStream();

  // Writes up to `capacity` pictures to each of `outs`, in presentation order within each run, and returns their sample
  // numbers.
  std::vector<std::uint32_t> read(std::span<const Pictures> outs, std::size_t capacity, Cancellation& cancellation);
  // Result of the finished runs.
  const Outcome& outcome() const { return outcome_; }

 private:
  Video& video_;
  const std::vector<Run> runs_;
  const Feed feed_;
  std::unique_ptr<Worker> worker_;
  std::size_t run_ = 0;
  bool running_ = false;
  Outcome outcome_;
};

}  // namespace hwang
