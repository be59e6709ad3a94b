#include "decode.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <numeric>
#include <system_error>
#include <thread>

#include "idle_workers.h"

namespace hwang {

void Outcome::add(const Outcome& other) {
  failed.insert(failed.end(), other.failed.begin(), other.failed.end());
  samples_decoded += other.samples_decoded;
  samples_skipped += other.samples_skipped;
  frames_converted += other.frames_converted;
  if (other.resized.empty()) return;
  resized.insert(resized.end(), other.resized.begin(), other.resized.end());
  resized_width = other.resized_width;
  resized_height = other.resized_height;
}

void Worker::start(const Run& run, const Feed& feed) {
  run_ = run;
  delivered_.assign(run.wanted.size(), Delivered::no);
  converted_ = 0;
  resized_.clear();
  decoder_.start(run, feed);
}

std::optional<std::size_t> Worker::next(Cancellation& cancellation) {
  while (const auto sample = decoder_.next(*frame_, cancellation)) {
    const auto found = std::lower_bound(run_.wanted.begin(), run_.wanted.end(), *sample);
    if (found == run_.wanted.end() || *found != *sample) continue;
    const auto i = static_cast<std::size_t>(found - run_.wanted.begin());
    const bool doubted = care == Care::none && decoder_.is_doubtful();
    const bool sound =
        care == Care::witness || (*sample < decoder_.suspect_from() && decoder_.is_founded(*sample) && !doubted);
    if (delivered_[i] != Delivered::no) {  // a sample shows one picture
      delivered_[i] = Delivered::suspect;
      continue;
    }
    delivered_[i] = sound ? Delivered::yes : Delivered::suspect;
    if (sound) {
      at_ = *sample;
      return i;
    }
  }
  return std::nullopt;
}

bool Worker::convert(std::span<const Pictures> outs, std::size_t slot) {
  const bool are_made = std::ranges::equal(converters_, outs, {}, &Converter::layout, &Pictures::layout);
  if (!are_made) {
    converters_.clear();
    for (const Pictures& out : outs) converters_.emplace_back(stream_, out.layout);
  }
  if (!converters_.front().crop(*frame_)) {
    resized_.push_back(at_);
    resized_width_ = frame_->width;
    resized_height_ = frame_->height;
    if (!std::ranges::all_of(outs, [](const Pictures& out) { return out.layout.any_size; })) return false;
  }
  for (std::size_t i = 0; i < outs.size(); i++) converters_[i].convert(*frame_, outs[i].at(slot));
  converted_++;
  return true;
}

void Worker::rest() {
  av_frame_unref(frame_.get());
  decoder_.rest();
}

std::size_t Worker::bytes() const {
  constexpr std::size_t held_for_reference = 8, bytes_per_pixel = 2;
  return static_cast<std::size_t>(stream_.width) * static_cast<std::size_t>(stream_.height) * bytes_per_pixel *
         (held_for_reference + static_cast<std::size_t>(threads));
}

Outcome Worker::outcome() const {
  Outcome outcome{.samples_decoded = decoder_.samples_decoded(),
                  .samples_skipped = decoder_.samples_skipped(),
                  .frames_converted = converted_,
                  .resized = resized_,
                  .resized_width = resized_width_,
                  .resized_height = resized_height_};
  for (std::size_t i = 0; i < run_.wanted.size(); i++)
    if (delivered_[i] != Delivered::yes || (care != Care::witness && run_.wanted[i] >= decoder_.damaged_from()))
      outcome.failed.push_back(run_.wanted[i]);
  return outcome;
}

Video::Video(Stream described, const Table& table, int threads)
    : stream(std::move(described)), table(table), threads(threads) {
  if (stream.codec == "hevc") ParameterSetGuard().check_header(stream.extradata);
}

Video::~Video() { IdleWorkers::of_process().drop(*this); }

std::unique_ptr<Worker> Video::take_worker(int decoder_threads, Care care) {
  if (auto worker = IdleWorkers::of_process().take(*this, decoder_threads, care)) return worker;
  return std::make_unique<Worker>(stream, table, decoder_threads, care);
}

void Video::give_back(std::unique_ptr<Worker> worker) {
  if (!worker->is_of_this_process()) {
    static_cast<void>(worker.release());
    return;
  }
  worker->rest();
  IdleWorkers::of_process().keep(*this, std::move(worker));
}

Outcome Video::decode(std::span<const Run> runs, const Feed& feed, Care care, std::span<const Pictures> outs,
                      Cancellation& cancellation) {
  const int workers = static_cast<int>(std::min<std::size_t>(threads, runs.size()));
  const int decoder_threads = care != Care::none ? 1
                              : workers == 1     ? threads_of_a_lone_worker()
                                                 : std::max(1, threads / std::max(1, workers));
  std::vector<std::size_t> longest_first(runs.size());
  std::iota(longest_first.begin(), longest_first.end(), std::size_t{0});
  std::stable_sort(longest_first.begin(), longest_first.end(),
                   [&](std::size_t a, std::size_t b) { return runs[a].samples.size() > runs[b].samples.size(); });
  std::atomic<std::size_t> next = 0;
  std::mutex mutex;
  Outcome total;
  std::exception_ptr failure;

  const auto work = [&] {
    try {
      Outcome mine;
      auto worker = take_worker(decoder_threads, care);
      for (std::size_t at; (at = next++) < runs.size();) {
        const Run& run = runs[longest_first[at]];
        worker->start(run, feed);
        while (const auto i = worker->next(cancellation)) worker->convert(outs, static_cast<std::size_t>(run.slot[*i]));
        mine.add(worker->outcome());
      }
      give_back(std::move(worker));
      const std::lock_guard lock(mutex);
      total.add(mine);
    } catch (...) {
      const std::lock_guard lock(mutex);
      if (!failure) failure = std::current_exception();
      cancellation.abandon();
    }
  };

  {
    std::vector<std::jthread> pool;
    pool.reserve(static_cast<std::size_t>(workers));
    for (int i = 1; i < workers; i++) {
      try {
        pool.emplace_back(work);
      } catch (const std::system_error&) {
        break;  // the system has no more threads: the others do the work
      }
    }
    if (workers) work();
  }
  if (failure) std::rethrow_exception(failure);
  return total;
}

std::vector<std::uint32_t> Video::presentation_order(const Feed& feed, Cancellation& cancellation) {
  std::vector<std::uint32_t> all(table.size.size());
  std::iota(all.begin(), all.end(), 0u);
  if (all.empty()) return {};
  const auto frame = owned<FramePtr>(av_frame_alloc());
  // Which pictures come out behind an error depends on the threads.
  for (int decoder_threads = threads_of_a_lone_worker();; decoder_threads = 1) {
    RunDecoder decoder(stream, table, decoder_threads, Care::order);
    std::vector<std::uint32_t> order;
    std::vector<bool> shown(all.size());
    decoder.start({.samples = all, .wanted = all}, feed);
    while (const auto sample = decoder.next(*frame, cancellation)) {
      if (!shown[*sample]) order.push_back(*sample);
      shown[*sample] = true;
    }
    if (decoder_threads == 1 || !decoder.saw_errors()) return order;
  }
}

// Calls `visit` with the number and the packet of each sample; one that cannot be read has an empty packet.
template <typename Visit>
void Video::each_sample(Samples samples, const Feed& feed, Cancellation& cancellation, Visit visit) const {
  SampleReader reader(table);
  reader.use(feed.source);
  const auto packet = owned<PacketPtr>(av_packet_alloc());
  for (const auto sample : samples) {
    cancellation.check();
    if (table.size[sample]) reader.read(sample, *packet);
    visit(sample, *packet);
    av_packet_unref(packet.get());
  }
}

std::vector<std::uint8_t> Video::second_fields(Samples samples, const Feed& feed, Cancellation& cancellation) const {
  FieldPairs fields(stream);
  std::vector<std::uint8_t> second;
  each_sample(samples, feed, cancellation, [&](std::uint32_t, const AVPacket& packet) {
    second.push_back(packet.size && fields.is_second(packet));
  });
  return second;
}

bool Video::reorders(Samples samples, const Feed& feed, Cancellation& cancellation) const {
  Reordering order(stream);
  bool found = false;
  each_sample(samples, feed, cancellation,
              [&](std::uint32_t, const AVPacket& packet) { found = order.is_shown_earlier(packet) || found; });
  return found;
}

std::vector<std::uint8_t> Video::lack_sets(Samples samples, const Feed& feed, Cancellation& cancellation) const {
  const SetsInForce sets(stream);
  std::vector<std::uint8_t> lacking;
  each_sample(samples, feed, cancellation,
              [&](std::uint32_t, const AVPacket& packet) { lacking.push_back(!sets.are_all_in(bytes_of(packet))); });
  return lacking;
}

std::vector<BytesFrom> Video::parameter_sets(const Feed& feed, Cancellation& cancellation) const {
  std::vector<std::uint32_t> all(table.size.size());
  std::iota(all.begin(), all.end(), 0u);
  SetsHistory sets(stream);
  auto header = table.configurations.begin();
  each_sample(all, feed, cancellation, [&](std::uint32_t sample, const AVPacket& packet) {
    for (; header != table.configurations.end() && header->sample <= sample; ++header) sets.add_header(header->bytes);
    sets.add(bytes_of(packet));
  });
  return sets.changes();
}

PictureStream::~PictureStream() {
  if (worker_) video_.give_back(std::move(worker_));
}

std::vector<std::uint32_t> PictureStream::read(std::span<const Pictures> outs, std::size_t capacity,
                                               Cancellation& cancellation) {
  std::vector<std::uint32_t> samples;
  while (samples.size() < capacity && run_ < runs_.size()) {
    if (!running_) worker_->start(runs_[run_], feed_);
    running_ = true;
    if (const auto i = worker_->next(cancellation)) {
      if (worker_->convert(outs, samples.size())) samples.push_back(runs_[run_].wanted[*i]);
    } else {
      outcome_.add(worker_->outcome());
      running_ = false;
      run_++;
    }
  }
  return samples;
}

}  // namespace hwang
