#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "convert.h"
#include "run.h"

namespace hwang {

// A run and where its wanted pictures go: `slot[i]` is the place of sample `wanted[i]` in the output array.
struct Run {
  Samples samples;
  Samples wanted;  // ascending
  std::span<const std::int64_t> slot;
};

struct Outcome {
  std::vector<std::uint32_t> failed;  // wanted samples whose pictures did not come out, or not surely right
  std::uint64_t packets_decoded = 0;
  std::uint64_t frames_converted = 0;
};

// Decodes independent runs into `out`, height × width × 3 bytes a picture, on up to `threads` cores.
Outcome decode_runs(const Stream& stream, const Table& table, const ByteSource& source, std::span<const Run> runs, std::uint8_t* out, int threads);

// The wanted pictures of one run, as they come out of a decoder.
class WantedPictures {
 public:
  WantedPictures(const Run& run, RunDecoder& decoder);
  // The next one, as a position in run.wanted; nothing at the end, when the failures of the run are added to `failed`.
  std::optional<std::size_t> next(AVFrame& frame, std::vector<std::uint32_t>& failed);

 private:
  const Run& run_;
  RunDecoder& decoder_;
  std::vector<bool> delivered_;
};

// The wanted pictures of several runs one after another, so that a long request needs the memory of a few pictures.
class PictureStream {
 public:
  PictureStream(const Stream& stream, const Table& table, const ByteSource& source, std::vector<Run> runs, int threads);
  // Writes up to `capacity` pictures, in presentation order within each run, and returns their sample numbers.
  std::vector<std::uint32_t> read(std::uint8_t* out, std::size_t capacity);
  // Counters, and the pictures that failed in the runs that are finished.
  const Outcome& outcome() const { return outcome_; }

 private:
  const std::size_t picture_bytes_;
  RunDecoder decoder_;
  Converter converter_;
  FramePtr frame_;
  std::vector<Run> runs_;
  std::size_t run_ = 0;
  std::optional<WantedPictures> current_;
  Outcome outcome_;
};

// The order in which a decoder shows the samples, learnt by decoding all of them: for streams whose container does
// not say it. Samples that show no picture are absent.
std::vector<std::uint32_t> presentation_order(const Stream& stream, const Table& table, const ByteSource& source, int threads);

}  // namespace hwang
