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

// State of one stream.
struct Watch {
  ParameterSetGuard guard;
  std::vector<std::uint8_t> header;

  void check_header(const AVStream& stream, bool whole_samples) {
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
};

bool is_hevc(const AVStream& stream) { return stream.codecpar->codec_id == AV_CODEC_ID_HEVC; }

// Returns whether each packet of the container is one sample, not a stretch of a stream.
bool has_whole_samples(std::string_view container, const AVStream& stream) {
  if (container == "avi") return stream.codecpar->codec_tag != MKTAG('H', '2', '6', '5');
  static constexpr std::array<std::string_view, 4> names{"flv", "ivf", "matroska", "mov"};
  return std::find(names.begin(), names.end(), container) != names.end();
}

}  // namespace

void vet(const ByteSource& source, Cancellation* cancellation) {
  if (source.vetted) return;
  Container container(source, AVFMT_FLAG_NOPARSE | AVFMT_FLAG_NOFILLIN, cancellation);
  const AVFormatContext& context = *container.context();
  const std::string name = container.name();
  bool needed = context.ctx_flags & AVFMTCTX_NOHEADER;  // streams may appear anywhere
  std::vector<Watch> watches;
  const auto packet = owned<PacketPtr>(av_packet_alloc());
  const auto watch = [&](unsigned i) -> Watch& {
    if (watches.size() <= i) watches.resize(i + 1);
    return watches[i];
  };
  for (unsigned i = 0; i < context.nb_streams; i++) {
    if (!is_hevc(*context.streams[i])) continue;
    needed = true;
    watch(i).check_header(*context.streams[i], has_whole_samples(name, *context.streams[i]));
  }
  while (needed && container.next(*packet)) {
    const auto index = static_cast<unsigned>(packet->stream_index);
    const AVStream& stream = *context.streams[index];
    if (is_hevc(stream)) {
      Watch& watched = watch(index);
      watched.check_header(stream, has_whole_samples(name, stream));
      std::size_t size = 0;
      const std::uint8_t* header = av_packet_get_side_data(packet.get(), AV_PKT_DATA_NEW_EXTRADATA, &size);
      watched.guard.check_header(bytes_of(header, size));
      const auto data = bytes_of(packet->data, static_cast<std::size_t>(packet->size));
      if (watched.guard.has_sized_units()) watched.guard.check_sample(data);
      if (watched.guard.has_start_codes()) watched.guard.check_stream(data);
    }
    av_packet_unref(packet.get());
  }
  for (Watch& watched : watches) watched.guard.finish();
  source.vetted = true;
}

}  // namespace hwang
