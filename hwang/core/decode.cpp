#include "decode.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <numeric>
#include <system_error>
#include <thread>

namespace hwang {

namespace {

// A decoder that works alone uses threads of its own, and some more than there are cores: they go on decoding ahead
// while this thread converts.
int threads_of_a_lone_decoder(int cores) { return cores > 1 ? cores + 2 : 1; }

std::size_t picture_size(const Stream& stream) { return static_cast<std::size_t>(stream.width) * stream.height * 3; }

}  // namespace

WantedPictures::WantedPictures(const Run& run, RunDecoder& decoder) : run_(run), decoder_(decoder), delivered_(run.wanted.size()) {
  decoder_.start(run.samples);
}

std::optional<std::size_t> WantedPictures::next(AVFrame& frame, std::vector<std::uint32_t>& failed) {
  while (const auto sample = decoder_.next(frame)) {
    const auto found = std::lower_bound(run_.wanted.begin(), run_.wanted.end(), *sample);
    if (found == run_.wanted.end() || *found != *sample) continue;
    const auto i = static_cast<std::size_t>(found - run_.wanted.begin());
    if (delivered_[i]) throw Error(Kind::corrupt, "sample " + std::to_string(*sample) + " shows two pictures");
    delivered_[i] = true;
    return i;
  }
  for (std::size_t i = 0; i < run_.wanted.size(); i++)
    if (!delivered_[i] || run_.wanted[i] >= decoder_.damaged_from()) failed.push_back(run_.wanted[i]);
  return std::nullopt;
}

Outcome decode_runs(const Stream& stream, const Table& table, const ByteSource& source, std::span<const Run> runs, std::uint8_t* out, int threads) {
  const int workers = static_cast<int>(std::min<std::size_t>(threads, runs.size()));
  const int decoder_threads = workers == 1 ? threads_of_a_lone_decoder(threads) : std::max(1, threads / std::max(1, workers));
  std::atomic<std::size_t> next = 0;
  std::mutex mutex;
  Outcome total;
  std::exception_ptr failure;

  const auto work = [&] {
    try {
      Outcome mine;
      RunDecoder decoder(stream, table, source, decoder_threads);
      Converter converter(stream.width, stream.height);
      const auto frame = owned<FramePtr>(av_frame_alloc());
      for (std::size_t at; (at = next++) < runs.size();) {
        const Run& run = runs[at];
        WantedPictures wanted(run, decoder);
        while (const auto i = wanted.next(*frame, mine.failed)) {
          converter.to_rgb24(*frame, out + static_cast<std::size_t>(run.slot[*i]) * picture_size(stream));
          mine.frames_converted++;
        }
      }
      const std::lock_guard lock(mutex);
      total.failed.insert(total.failed.end(), mine.failed.begin(), mine.failed.end());
      total.packets_decoded += decoder.packets_decoded();
      total.frames_converted += mine.frames_converted;
    } catch (...) {
      next = runs.size();
      const std::lock_guard lock(mutex);
      if (!failure) failure = std::current_exception();
    }
  };

  {
    std::vector<std::jthread> pool;
    pool.reserve(workers);
    for (int i = 1; i < workers; i++) {
      try {
        pool.emplace_back(work);
      } catch (const std::system_error&) {
        break;  // no more threads to be had: the others do the work
      }
    }
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
    if (!current_) current_.emplace(runs_[run_], decoder_);
    if (const auto i = current_->next(*frame_, outcome_.failed)) {
      converter_.to_rgb24(*frame_, out + samples.size() * picture_bytes_);
      outcome_.frames_converted++;
      samples.push_back(runs_[run_].wanted[*i]);
    } else {
      current_.reset();
      run_++;
    }
  }
  outcome_.packets_decoded = decoder_.packets_decoded();
  return samples;
}

std::vector<std::uint32_t> presentation_order(const Stream& stream, const Table& table, const ByteSource& source, int threads) {
  std::vector<std::uint32_t> all(table.size.size());
  std::iota(all.begin(), all.end(), 0u);
  RunDecoder decoder(stream, table, source, threads_of_a_lone_decoder(threads));
  const auto frame = owned<FramePtr>(av_frame_alloc());
  std::vector<std::uint32_t> order;
  if (all.empty()) return order;
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
