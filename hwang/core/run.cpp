#include "run.h"

#include <algorithm>
#include <cstring>

#include "mpeg2.h"
#include "undecoded.h"

namespace hwang {

namespace {
// A damaged stream can make a draining decoder return the same error for ever.
constexpr int max_errors_in_a_row = 64;
// Pictures of this size are decoded whatever the container states.
constexpr std::int64_t usual_pixels = 4096 * 2304;

// Returns the last one that holds at the sample.
const BytesFrom* at_sample(const std::vector<BytesFrom>& changes, std::uint32_t sample) {
  const auto next = std::upper_bound(changes.begin(), changes.end(), sample,
                                     [](std::uint32_t number, const BytesFrom& from) { return number < from.sample; });
  return next == changes.begin() ? nullptr : &*std::prev(next);
}

}  // namespace

void SampleReader::use(std::shared_ptr<const ByteSource> source) {
  if (source == source_) return;
  demuxer_.reset();
  source_ = std::move(source);
}

void SampleReader::rest() {
  if (table_.is_ranged()) source_.reset();
}

bool SampleReader::read(std::uint32_t sample, AVPacket& packet) {
  const bool there = table_.is_ranged() ? read_range(sample, packet) : read_container(sample, packet);
  if (!there) return false;
  // libavcodec returns `opaque` with the picture; zero would mean that none was set.
  packet.opaque = reinterpret_cast<void*>(static_cast<std::uintptr_t>(sample) + 1);
  packet.pts = sample;
  packet.dts = AV_NOPTS_VALUE;
  packet.flags = packet.flags & AV_PKT_FLAG_CORRUPT;
  packet.flags |= table_.sync[sample] ? AV_PKT_FLAG_KEY : 0;
  if (!palette_.empty() && !av_packet_get_side_data(&packet, AV_PKT_DATA_PALETTE, nullptr)) {
    std::uint8_t* palette = av_packet_new_side_data(&packet, AV_PKT_DATA_PALETTE, palette_.size());
    if (!palette) throw std::bad_alloc();
    std::copy(palette_.begin(), palette_.end(), palette);
  }
  return true;
}

// A container hands out a palette with the first sample that it is for.
void SampleReader::note_palette(const AVPacket& packet) {
  std::size_t size = 0;
  const std::uint8_t* palette = av_packet_get_side_data(&packet, AV_PKT_DATA_PALETTE, &size);
  if (palette) palette_.assign(palette, palette + size);
}

bool SampleReader::read_range(std::uint32_t sample, AVPacket& packet) const {
  const std::uint64_t offset = table_.offset[sample], size = table_.size[sample];
  if (size > INT32_MAX - AV_INPUT_BUFFER_PADDING_SIZE || offset > source_->size || size > source_->size - offset)
    return false;
  check(av_new_packet(&packet, static_cast<int>(size)), Kind::limit, "no memory for a sample");
  const std::span<std::uint8_t> into(packet.data, size);
  if ((table_.transport.stride ? read_payloads(sample, into) : source_->read(offset, into)) == size) return true;
  av_packet_unref(&packet);
  return false;
}

std::size_t SampleReader::read_payloads(std::uint32_t sample, std::span<std::uint8_t> into) const {
  const bool is_last = sample + 1 == table_.offset.size();
  const std::uint64_t end = is_last ? table_.transport.end : table_.offset[sample + 1];
  Payloads payloads(*source_, table_.transport);
  payloads.seek(table_.offset[sample]);
  std::size_t done = 0;
  while (done < into.size()) {
    const auto piece = payloads.next(end);
    if (!piece) break;
    const std::size_t size = std::min(piece->bytes.size(), into.size() - done);
    std::copy_n(piece->bytes.begin(), size, into.begin() + static_cast<std::ptrdiff_t>(done));
    done += size;
  }
  return done;
}

bool SampleReader::read_container(std::uint32_t sample, AVPacket& packet) {
  if (!demuxer_ || sample < next_in_container_) {
    demuxer_ = std::make_unique<Demuxer>(*source_);
    demuxer_->probe();  // as for the table: parsers then cut the stream into the same samples
    palette_ = first_palette_;
    next_in_container_ = 0;
  }
  for (;;) {
    if (!demuxer_->next(packet)) return false;
    note_palette(packet);
    if (next_in_container_++ == sample) break;
    av_packet_unref(&packet);
  }
  if (static_cast<std::uint32_t>(packet.size) != table_.size[sample]) {
    av_packet_unref(&packet);
    throw Error(Kind::source,
                "sample " + std::to_string(sample) + " is not the one that was indexed: the video has changed");
  }
  return true;
}

RunDecoder::RunDecoder(const Stream& stream, const Table& table, int threads, Care care)
    : stream_(stream), table_(table), threads_(threads), care_(care), reader_(table, palette(stream)),
      references_(stream), intra_check_(stream), packet_(owned<PacketPtr>(av_packet_alloc())) {
  open();
}

void RunDecoder::open() {
  codec_ = decoder_context(stream_);
  quirks_ = quirks_of(codec_->codec_id);
  // Refuses a bitstream with far larger pictures than its container states, before memory is allocated for them.
  codec_->max_pixels = std::max(4 * static_cast<std::int64_t>(codec_->width) * codec_->height, usual_pixels);
  if (quirks_.header_in_band) codec_->extradata_size = 0;
  codec_->thread_count = quirks_.keeps_state || quirks_.one_thread ? 1 : threads_;
  codec_->flags |= AV_CODEC_FLAG_COPY_OPAQUE | AV_CODEC_FLAG_UNALIGNED;  // cropped to the pixel, as by the tool
  configuration_ = nullptr;
  const bool goes_on = care_ == Care::order || (care_ != Care::none && quirks_.marks_damage);
  codec_->err_recognition = strictness_ = AV_EF_CRCCHECK | (goes_on ? 0 : AV_EF_EXPLODE);
  log_.listen(*codec_);
  if (codec_->codec_id == AV_CODEC_ID_HEVC) guard_.check_header(stream_.extradata);
  if (quirks_.leaves_parts) UndecodedParts::mark_pictures_of(*codec_);
  check(avcodec_open2(codec_.get(), nullptr, nullptr), Kind::corrupt,
        "the " + stream_.codec + " decoder refuses this stream's header");
}

// Throws if the packet has a parameter set that is refused.
void RunDecoder::guard() {
  if (codec_->codec_id != AV_CODEC_ID_HEVC) return;
  std::size_t size = 0;
  if (const std::uint8_t* header = av_packet_get_side_data(packet_.get(), AV_PKT_DATA_NEW_EXTRADATA, &size))
    guard_.check_header({header, size});
  guard_.check_sample(bytes_of(*packet_));
}

void RunDecoder::start(const Run& run, const Feed& feed) {
  const bool forgets = !quirks_.keeps_state && !(care_ != Care::none && run.samples.front() == 0);
  const bool is_new = !used_ || !forgets;
  if (used_ && forgets && !flushed_) avcodec_flush_buffers(codec_.get());
  if (used_ && !forgets) open();
  used_ = true;
  flushed_ = false;
  log_.take();
  av_packet_unref(packet_.get());
  reader_.use(feed.source);
  run_ = run;
  skip_unreferenced_ = feed.skip_unreferenced;
  // Worth it if samples can be left out, and can be read twice.
  if (codec_->codec_id == AV_CODEC_ID_AV1)
    skip_unreferenced_ &= table_.is_ranged() && run.wanted.size() < run.samples.size();
  fed_ = wanted_ = 0;
  packet_pending_ = draining_ = false;
  errors_in_a_row_ = 0;
  damaged_from_ = suspect_from_ = static_cast<std::uint32_t>(table_.pts.size());
  intra_.reset();
  // What a new decoder shows from the first sample on is what the ffmpeg tool shows.
  leads_video_ = care_ != Care::none && run.samples.front() == 0;
  if (!intra_check_.is_needed() || (is_new && run.samples.front() == 0)) intra_ = run.samples.front();
  doubtful_ = false;
  handed_over_.clear();
  skipped_ = 0;
}

void RunDecoder::rest() {
  reader_.rest();
  av_packet_unref(packet_.get());
  if (quirks_.keeps_state) return;  // start() makes a new one, and it has no threads
  avcodec_flush_buffers(codec_.get());
  flushed_ = true;
}

void RunDecoder::lower(std::uint32_t& from, std::uint32_t sample) {
  if (is_leading(sample)) {  // it refers to an earlier group of pictures; no later run delivers it from here
    leads_video_ = false;
    return;
  }
  from = std::min(from, sample);
}

bool RunDecoder::is_wanted(std::uint32_t sample) {
  while (wanted_ < run_.wanted.size() && run_.wanted[wanted_] < sample) wanted_++;
  return wanted_ < run_.wanted.size() && run_.wanted[wanted_] == sample;
}

// Reads the headers of the whole run: which frames are needed only those behind them tell.
void RunDecoder::find_dependencies(Cancellation& cancellation) {
  dependencies_.clear();
  for (const std::uint32_t sample : run_.samples) {
    cancellation.check();
    const bool there = reader_.read(sample, *packet_);
    dependencies_.add(there ? bytes_of(*packet_) : Bytes(), is_wanted(sample));
    av_packet_unref(packet_.get());
  }
  dependencies_.resolve();
  wanted_ = 0;
}

// Returns false if the sample in packet_ can be left out. Removes frames from it that can be.
bool RunDecoder::is_needed(std::uint32_t sample) {
  if (!skip_unreferenced_) return true;
  if (codec_->codec_id == AV_CODEC_ID_AV1) return dependencies_.shorten(fed_ - 1, *packet_);
  return fed_ == 1 || is_wanted(sample) || !references_.none_to(bytes_of(*packet_));
}

// Puts the next sample to decode into packet_. Returns false at the end of the run.
bool RunDecoder::take_next_sample(Cancellation& cancellation) {
  if (fed_ == 0 && skip_unreferenced_ && codec_->codec_id == AV_CODEC_ID_AV1) find_dependencies(cancellation);
  while (fed_ < run_.samples.size()) {
    cancellation.check();
    const std::uint32_t sample = run_.samples[fed_++];
    if (table_.size[sample] == 0) continue;  // an empty sample shows nothing and damages nothing
    if (!reader_.read(sample, *packet_) || is_too_short(*packet_, stream_)) {
      av_packet_unref(packet_.get());
      damaged(sample);
      continue;
    }
    const bool needed = is_needed(sample);
    if (skip_unreferenced_ && references_.header_lied()) damaged(run_.samples.front());
    if (needed) {
      if (packet_->flags & AV_PKT_FLAG_CORRUPT) doubtful_ = true;  // the container has lost some of it
      packet_->flags &= ~AV_PKT_FLAG_CORRUPT;
      configure(sample);
      if (!intra_ && intra_check_.is_intra({packet_->data, static_cast<std::size_t>(packet_->size)})) intra_ = sample;
      guard();
      if (quirks_.reads_on) end_in_noise(*packet_, stream_);
      return true;
    }
    av_packet_unref(packet_.get());
    skipped_++;
  }
  return false;
}

// Gives the decoder the header that belongs to the sample, and in front of a run the parameter sets that are in force,
// unless the sample brings its own: the decoder still holds those of whatever it decoded before.
void RunDecoder::configure(std::uint32_t sample) {
  const BytesFrom* found = at_sample(table_.configurations, sample);
  if (found != configuration_) {
    const auto& header = found ? found->bytes : stream_.extradata;
    std::uint8_t* data = av_packet_new_side_data(packet_.get(), AV_PKT_DATA_NEW_EXTRADATA, header.size());
    if (!data) throw std::bad_alloc();
    std::copy(header.begin(), header.end(), data);
    configuration_ = found;
  }
  if (fed_ != 1 || (table_.parameter_sets.empty() && !quirks_.header_in_band)) return;
  const BytesFrom* sets = at_sample(table_.parameter_sets, sample);
  SetsInForce in_force(stream_);
  if (found) in_force.take_header(found->bytes);
  if (sets) in_force.take(sets->bytes);
  if (in_force.are_all_in(bytes_of(*packet_))) return;
  const auto prefix = in_force.as_bytes();
  const auto size = static_cast<std::size_t>(packet_->size);
  check(av_grow_packet(packet_.get(), static_cast<int>(prefix.size())), Kind::limit, "no memory for a sample");
  std::memmove(packet_->data + prefix.size(), packet_->data, size);
  std::copy(prefix.begin(), prefix.end(), packet_->data);
}

// Sends one more sample to the decoder, or the end of the run. Returns false if nothing is left to send.
bool RunDecoder::feed(Cancellation& cancellation) {
  if (!packet_pending_ && !take_next_sample(cancellation)) {
    if (draining_) return false;
    draining_ = true;
    check(avcodec_send_packet(codec_.get(), nullptr), Kind::corrupt, "the decoder cannot be drained");
    return true;
  }
  packet_pending_ = true;
  CodedFields fields;
  if (codec_->codec_id == AV_CODEC_ID_MPEG2VIDEO) {
    fields = coded_fields({packet_->data, static_cast<std::size_t>(packet_->size)});
    // The decoder takes each field for a frame that lacks its other half.
    codec_->err_recognition = fields.any ? AV_EF_CRCCHECK : strictness_;
  }
  const int answer = avcodec_send_packet(codec_.get(), packet_.get());
  if (answer == AVERROR(EAGAIN)) return true;  // its output has to be received first
  handed_over_.push_back(run_.samples[fed_ - 1]);
  if (answer < 0 || (fields.any && (!fields.of_one_frame || log_.take()))) suspect_last();
  errors_in_a_row_ = 0;
  av_packet_unref(packet_.get());
  packet_pending_ = false;
  return true;
}

// The decoder refused a packet: the last one sent, or with threads of its own one of the last. Pictures that come out
// later may refer to it; earlier ones do not, as errors are reported in packet order. (AVERROR(ENOMEM) counts as well:
// some decoders report damaged sizes as a lack of memory.)
void RunDecoder::suspect_last() {
  const std::size_t behind =
      codec_->active_thread_type & FF_THREAD_FRAME ? static_cast<std::size_t>(codec_->thread_count) + 1 : 1;
  suspect(handed_over_.size() > behind ? handed_over_[handed_over_.size() - behind] : run_.samples.front());
}

std::optional<std::uint32_t> RunDecoder::next(AVFrame& frame, Cancellation& cancellation) {
  for (;;) {
    av_frame_unref(&frame);
    const int answer = avcodec_receive_frame(codec_.get(), &frame);
    if (answer == AVERROR_EOF) {
      doubtful_ = log_.take() || doubtful_;
      return std::nullopt;
    }
    if (answer == AVERROR(EAGAIN)) {
      if (!feed(cancellation)) return std::nullopt;
      continue;
    }
    if (answer < 0) {
      suspect_last();
      if (++errors_in_a_row_ > max_errors_in_a_row) return std::nullopt;
      continue;
    }
    errors_in_a_row_ = 0;
    const auto label = reinterpret_cast<std::uintptr_t>(frame.opaque);
    const auto sample = static_cast<std::uint32_t>(frame.pts);
    // A sample of VP9 may show a picture again: that has the label of the sample that it was decoded from.
    const bool labelled = label == std::uintptr_t{sample} + 1 || (label && codec_->codec_id == AV_CODEC_ID_VP9);
    if (!labelled || frame.pts < 0 || frame.pts >= static_cast<std::int64_t>(table_.pts.size()))
      throw Error(Kind::corrupt, "the decoder returned a picture that belongs to no sample it was given");
    const bool logged = log_.take();
    if (!intra_ && !logged && intra_check_.is_intra(frame)) intra_ = sample;
    // With threads a logged error may belong to a later sample; then the run is decoded again with one.
    doubtful_ = doubtful_ || logged;
    const bool incomplete = quirks_.leaves_parts && UndecodedParts::any_in(frame);
    if (frame.decode_error_flags || frame.flags & AV_FRAME_FLAG_CORRUPT || (doubtful_ && quirks_.only_logs) ||
        incomplete)
      damaged(sample);
    return sample;
  }
}

}  // namespace hwang
