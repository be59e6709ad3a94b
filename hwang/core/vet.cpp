#include "vet.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <vector>

#include "container.h"
#include "parameter_sets.h"

namespace hwang {

namespace {

Bytes bytes_of(const std::uint8_t* data, std::size_t size) { return {data, data ? size : 0}; }

bool is_hevc(const AVStream& stream) { return stream.codecpar->codec_id == AV_CODEC_ID_HEVC; }

// Returns whether each packet of the container is one sample, not a stretch of a stream.
bool has_whole_samples(std::string_view container, const AVStream& stream) {
  if (container == "avi") return stream.codecpar->codec_tag != MKTAG('H', '2', '6', '5');
  static constexpr std::array<std::string_view, 4> names{"flv", "ivf", "matroska", "mov"};
  return std::find(names.begin(), names.end(), container) != names.end();
}

}  // namespace

void Vetting::Watch::check_header(const AVStream& stream, bool whole_samples) {
  const AVCodecParameters& parameters = *stream.codecpar;
  const auto found = bytes_of(parameters.extradata, static_cast<std::size_t>(parameters.extradata_size));
  if (!std::equal(found.begin(), found.end(), header.begin(), header.end())) {
    header.assign(found.begin(), found.end());
    guard.check_header(found);
  }
  // libavcodec's parser would look for samples by start codes, and for units by their lengths.
  if (guard.has_sized_units() && !whole_samples)
    throw Error(Kind::unsupported,
                "an HEVC stream has a configuration record (hvcC) in a container that does not cut it into samples; "
                "write the video to MP4 or Matroska");
}

Vetting::Vetting(const ByteSource& source, Cancellation* cancellation)
    : source_(source), container_(source, AVFMT_FLAG_NOPARSE | AVFMT_FLAG_NOFILLIN, cancellation),
      packet_(owned<PacketPtr>(av_packet_alloc())) {
  const AVFormatContext& context = *container_.context();
  bool needed = context.ctx_flags & AVFMTCTX_NOHEADER;  // streams may appear anywhere
  for (unsigned i = 0; i < context.nb_streams; i++) {
    if (!is_hevc(*context.streams[i])) continue;
    needed = true;
    watch(i).check_header(*context.streams[i], has_whole_samples(container_.name(), *context.streams[i]));
  }
  if (!needed) source_.vetted = true;
}

Vetting::Watch& Vetting::watch(unsigned stream) {
  if (watches_.size() <= stream) watches_.resize(stream + 1);
  return watches_[stream];
}

void Vetting::reach(std::uint64_t end) {
  if (end >= source_.size) end = UINT64_MAX;
  while (!source_.vetted && (checked_ < end || !is_caught_up())) {
    const std::uint64_t before = container_.position();
    if (!check_next_packet()) {
      for (Watch& watched : watches_) watched.guard.finish();
      source_.vetted = true;
    }
    if (container_.position() > before) checked_ = before;  // libavformat had no more packets of what it had read
  }
}

bool Vetting::is_caught_up() const {
  if (container_.name() == "matroska") return true;  // it states all codecs
  if (watches_.size() < container_.context()->nb_streams) return false;
  return std::ranges::all_of(watches_, &Watch::is_known);
}

// Returns false at the end.
bool Vetting::check_next_packet() {
  if (!container_.next(*packet_)) return false;
  const auto index = static_cast<unsigned>(packet_->stream_index);
  const AVStream& stream = *container_.context()->streams[index];
  Watch& watched = watch(index);
  watched.is_known = true;
  if (is_hevc(stream)) {
    watched.check_header(stream, has_whole_samples(container_.name(), stream));
    std::size_t size = 0;
    const std::uint8_t* header = av_packet_get_side_data(packet_.get(), AV_PKT_DATA_NEW_EXTRADATA, &size);
    watched.guard.check_header(bytes_of(header, size));
    const auto data = bytes_of(packet_->data, static_cast<std::size_t>(packet_->size));
    if (watched.guard.has_sized_units()) watched.guard.check_sample(data);
    if (watched.guard.has_start_codes()) watched.guard.check_stream(data);
  }
  av_packet_unref(packet_.get());
  return true;
}

}  // namespace hwang
