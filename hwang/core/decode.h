#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include "convert.h"
#include "run.h"

namespace hwang {

struct Outcome {
  std::vector<std::uint32_t> failed;  // wanted samples whose pictures did not come out, or not surely right
  std::uint64_t samples_decoded = 0;
  std::uint64_t samples_skipped = 0;
  std::uint64_t frames_converted = 0;

  void add(const Outcome& other);
};

// A decoder and a converter, for one run at a time.
class Worker {
 public:
  Worker(const Stream& stream, const Table& table, int threads, bool tolerant)
      : threads(threads), tolerant(tolerant), stream_(stream), decoder_(stream, table, threads, tolerant),
        frame_(owned<FramePtr>(av_frame_alloc())) {}

  void start(const Run& run, const Feed& feed);
  // The next wanted picture that is sound as far as is known, as a position in run.wanted; nothing at the end.
  std::optional<std::size_t> next(Cancellation& cancellation);
  // Writes the picture that next() found.
  void convert(const Layout& layout, const PlanePointers& out);
  void rest() { decoder_.rest(); }
  // What became of the run, once it is at its end.
  Outcome outcome() const;

  const int threads;
  const bool tolerant;

 private:
  enum class Delivered : std::uint8_t { no, suspect, yes };
  const Stream& stream_;
  RunDecoder decoder_;
  std::optional<Converter> converter_;
  FramePtr frame_;
  Run run_;
  std::vector<Delivered> delivered_;
  std::uint64_t converted_ = 0;
};

// A video that pictures are taken out of, by several requests at once if need be. Workers, with all the memory that
// their decoders took, are kept for the next request.
class Video {
 public:
  // threads: cores that a request may use.
  Video(Stream stream, const Table& table, int threads);

  // Decodes independent runs on all cores; pictures go to their slots of `out`. `tolerant` is slower and has the last
  // word on whether a picture is sound.
  Outcome decode(std::span<const Run> runs, const Feed& feed, bool tolerant, const Pictures& out,
                 Cancellation& cancellation);
  // The order in which a decoder shows the samples, learnt by decoding all of them: for streams whose container does
  // not say it. Samples that show no picture are absent.
  std::vector<std::uint32_t> presentation_order(const Feed& feed, Cancellation& cancellation);

  // Which of the samples are second fields of frames: 1 or 0 each.
  std::vector<std::uint8_t> second_fields(Samples samples, const Feed& feed, Cancellation& cancellation) const;

  // A lone worker uses threads inside its decoder, and some more than there are cores: they go on decoding ahead
  // while the caller's thread converts.
  int threads_of_a_lone_worker() const { return threads > 1 ? threads + 2 : 1; }
  std::unique_ptr<Worker> take_worker(int decoder_threads, bool tolerant = false);
  void give_back(std::unique_ptr<Worker> worker);

  const Stream stream;
  const Table table;
  const int threads;

 private:
  std::mutex mutex_;
  std::vector<std::unique_ptr<Worker>> idle_;
};

// The wanted pictures of several runs one after another, so that a long request needs the memory of a few pictures.
class PictureStream {
 public:
  PictureStream(Video& video, std::vector<Run> runs, Feed feed)
      : video_(video), runs_(std::move(runs)), feed_(std::move(feed)),
        worker_(video.take_worker(video.threads_of_a_lone_worker())) {}
  ~PictureStream();

  // Writes up to `capacity` pictures, in presentation order within each run, and returns their sample numbers.
  std::vector<std::uint32_t> read(const Pictures& out, std::size_t capacity, Cancellation& cancellation);
  // Of the runs that are finished.
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
