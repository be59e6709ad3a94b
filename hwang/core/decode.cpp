#include "decode.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <numeric>
#include <optional>
#include <thread>

namespace hwang {

namespace {

std::optional<std::size_t> position(Samples wanted, std::uint32_t sample) {
  const auto found = std::lower_bound(wanted.begin(), wanted.end(), sample);
  if (found == wanted.end() || *found != sample) return std::nullopt;
  return static_cast<std::size_t>(found - wanted.begin());
}

void collect_failures(const Run& run, const std::vector<bool>& delivered, std::uint32_t damaged_from, Outcome& outcome) {
  for (std::size_t i = 0; i < run.wanted.size(); i++)
    if (!delivered[i] || run.wanted[i] >= damaged_from) outcome.failed.push_back(run.wanted[i]);
}

void decode_run(const Run& run, RunDecoder& decoder, Converter& converter, AVFrame& frame, std::uint8_t* out, std::size_t picture_bytes, Outcome& outcome) {
  std::vector<bool> delivered(run.wanted.size());
  decoder.start(run.samples);
  while (const auto sample = decoder.next(frame)) {
    const auto i = position(run.wanted, *sample);
    if (!i) continue;
    if (delivered[*i]) throw Error(Kind::corrupt, "sample " + std::to_string(*sample) + " shows two pictures");
    converter.to_rgb24(frame, out + static_cast<std::size_t>(run.slot[*i]) * picture_bytes);
    delivered[*i] = true;
    outcome.frames_converted++;
  }
  collect_failures(run, delivered, decoder.damaged_from(), outcome);
}

// A decoder that works alone uses threads of its own, and some more than there are cores: they go on decoding ahead
// while this thread converts.
int threads_of_a_lone_decoder(int cores) { return cores > 1 ? cores + 2 : 1; }

std::size_t picture_size(const Stream& stream) { return static_cast<std::size_t>(stream.width) * stream.height * 3; }

}  // namespace

Outcome decode_runs(const Stream& stream, const Table& table, const ByteSource& source, std::span<const Run> runs, std::uint8_t* out, int threads) {
  const int workers = static_cast<int>(std::min<std::size_t>(threads, runs.size()));
  const int decoder_threads = workers == 1 ? threads_of_a_lone_decoder(threads) : std::max(1, threads / std::max(1, workers));
  std::atomic<std::size_t> next = 0;
  std::mutex mutex;
  Outcome total;
  std::exception_ptr failure;

  const auto work = [&] {
    Outcome mine;
    try {
      RunDecoder decoder(stream, table, source, decoder_threads);
      Converter converter(stream.width, stream.height);
      const auto frame = owned<FramePtr>(av_frame_alloc());
      for (std::size_t i; (i = next++) < runs.size();) decode_run(runs[i], decoder, converter, *frame, out, picture_size(stream), mine);
      mine.packets_decoded = decoder.packets_decoded();
    } catch (...) {
      next = runs.size();
      const std::lock_guard lock(mutex);
      if (!failure) failure = std::current_exception();
    }
    const std::lock_guard lock(mutex);
    total.failed.insert(total.failed.end(), mine.failed.begin(), mine.failed.end());
    total.packets_decoded += mine.packets_decoded;
    total.frames_converted += mine.frames_converted;
  };

  {
    std::vector<std::jthread> pool;
    for (int i = 1; i < workers; i++) pool.emplace_back(work);
    if (workers) work();
  }
  if (failure) std::rethrow_exception(failure);
  return total;
}

PictureStream::PictureStream(const Stream& stream, const Table& table, const ByteSource& source, std::vector<Run> runs, int threads)
    : picture_bytes_(picture_size(stream)),
      decoder_(stream, table, source, threads_of_a_lone_decoder(threads)),
      converter_(stream.width, stream.height),
      frame_(owned<FramePtr>(av_frame_alloc())),
      runs_(std::move(runs)) {}

std::vector<std::uint32_t> PictureStream::read(std::uint8_t* out, std::size_t capacity) {
  std::vector<std::uint32_t> samples;
  while (samples.size() < capacity && run_ < runs_.size()) {
    const Run& run = runs_[run_];
    if (!running_) {
      decoder_.start(run.samples);
      delivered_.assign(run.wanted.size(), false);
      running_ = true;
    }
    const auto sample = decoder_.next(*frame_);
    if (!sample) {
      finish_run();
      continue;
    }
    const auto i = position(run.wanted, *sample);
    if (!i) continue;
    if (delivered_[*i]) throw Error(Kind::corrupt, "sample " + std::to_string(*sample) + " shows two pictures");
    converter_.to_rgb24(*frame_, out + samples.size() * picture_bytes_);
    delivered_[*i] = true;
    outcome_.frames_converted++;
    samples.push_back(*sample);
  }
  outcome_.packets_decoded = decoder_.packets_decoded();
  return samples;
}

void PictureStream::finish_run() {
  collect_failures(runs_[run_], delivered_, decoder_.damaged_from(), outcome_);
  running_ = false;
  run_++;
}

std::vector<std::uint32_t> presentation_order(const Stream& stream, const Table& table, const ByteSource& source, int threads) {
  std::vector<std::uint32_t> all(table.size.size());
  std::iota(all.begin(), all.end(), 0u);
  RunDecoder decoder(stream, table, source, threads_of_a_lone_decoder(threads));
  const auto frame = owned<FramePtr>(av_frame_alloc());
  std::vector<std::uint32_t> order;
  std::vector<bool> seen(all.size());
  decoder.start(all);
  while (const auto sample = decoder.next(*frame)) {
    if (seen[*sample]) throw Error(Kind::corrupt, "sample " + std::to_string(*sample) + " shows two pictures");
    seen[*sample] = true;
    order.push_back(*sample);
  }
  return order;
}

}  // namespace hwang
