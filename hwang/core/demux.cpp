#include "demux.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <span>

#include "intra.h"
#include "sets_in_force.h"

namespace hwang {

Demuxer::Demuxer(const ByteSource& source, std::int64_t max_pixels, Cancellation* cancellation)
    : max_pixels_(max_pixels) {
  if (!source.vetted) vetting_ = std::make_unique<Vetting>(source, cancellation);
  container_ = std::make_unique<Container>(source, 0, cancellation);
  if (vetting_) container_->before_reading([this](std::uint64_t end) { vetting_->reach(end); });
  AVFormatContext* context = container_->context();
  context->skip_estimate_duration_from_pts = 1;  // from what is at the end; times of samples are known later
  for (unsigned i = 0; i < context->nb_streams; i++) {
    AVStream* candidate = context->streams[i];
    const bool video = candidate->codecpar->codec_type == AVMEDIA_TYPE_VIDEO &&
                       !(candidate->disposition & AV_DISPOSITION_ATTACHED_PIC);
    if (video && !stream_) stream_ = candidate;
  }
  if (!stream_) {  // the streams of containers without a header (MPEG-PS) are known once packets are read
    probe();
    const int best = av_find_best_stream(context, AVMEDIA_TYPE_VIDEO, -1, -1, nullptr, 0);
    if (best >= 0) stream_ = context->streams[best];
  }
  if (!stream_) throw Error(Kind::unsupported, "there is no video stream in this " + container() + " file");
}

void Demuxer::probe() {
  if (probed_) return;  // libavformat can probe only once
  probed_ = true;
  AVFormatContext* context = container_->context();
  std::vector<AVDictionary*> options(context->nb_streams);
  for (AVDictionary*& option : options) av_dict_set_int(&option, "max_pixels", max_pixels_, 0);
  const int probed = avformat_find_stream_info(context, options.data());
  for (AVDictionary*& option : options) av_dict_free(&option);
  container_->rethrow();
  check(probed, Kind::corrupt, "the streams of this " + container() + " file cannot be determined");
}

bool Demuxer::next(AVPacket& packet) {
  while (container_->next(packet)) {
    if (packet.stream_index == stream_->index) return true;
    av_packet_unref(&packet);
  }
  return false;
}

namespace {

// Some demuxers pass on numbers from the file that are not values of the enumeration.
template <typename Enumeration>
int known(const Enumeration& value, int count, int unspecified) {
  static_assert(sizeof(Enumeration) == sizeof(int));
  int number;
  std::memcpy(&number, &value, sizeof number);
  return number >= 0 && number < count ? number : unspecified;
}

}  // namespace

Stream Demuxer::stream() {
  const AVCodecParameters& parameters = *stream_->codecpar;
  Stream stream;
  stream.codec = avcodec_get_name(parameters.codec_id);
  stream.codec_tag = parameters.codec_tag;
  if (parameters.codec_id == AV_CODEC_ID_RAWVIDEO && !parameters.codec_tag && !parameters.bits_per_coded_sample)
    stream.codec_tag = avcodec_pix_fmt_to_codec_tag(static_cast<AVPixelFormat>(parameters.format));
  if (parameters.extradata)
    stream.extradata.assign(parameters.extradata, parameters.extradata + parameters.extradata_size);
  stream.width = stream.coded_width = parameters.width;
  stream.height = stream.coded_height = parameters.height;
  if (const AVPacketSideData* found = av_packet_side_data_get(parameters.coded_side_data, parameters.nb_coded_side_data,
                                                              AV_PKT_DATA_FRAME_CROPPING);
      found && found->size >= 16) {
    const auto pixels = [&](int at) { return static_cast<int>(std::min(AV_RL32(found->data + at), 1u << 20)); };
    stream.cropping = {pixels(8), pixels(0), pixels(12), pixels(4)};
    const auto* format = av_pix_fmt_desc_get(static_cast<AVPixelFormat>(parameters.format));
    const auto cropped = [](int size, int cut, int log2_chroma) {
      return std::max(0, size - cut) >> log2_chroma << log2_chroma;
    };
    stream.width =
        cropped(stream.width, stream.cropping.left + stream.cropping.right, format ? format->log2_chroma_w : 1);
    stream.height =
        cropped(stream.height, stream.cropping.top + stream.cropping.bottom, format ? format->log2_chroma_h : 1);
  }
  stream.bits_per_coded_sample = parameters.bits_per_coded_sample;
  stream.reorder = parameters.video_delay;
  stream.field_order = known(parameters.field_order, AV_FIELD_BT + 1, AV_FIELD_UNKNOWN);
  stream.color = {known(parameters.color_primaries, AVCOL_PRI_NB, AVCOL_PRI_UNSPECIFIED),
                  known(parameters.color_trc, AVCOL_TRC_NB, AVCOL_TRC_UNSPECIFIED),
                  known(parameters.color_space, AVCOL_SPC_NB, AVCOL_SPC_UNSPECIFIED),
                  known(parameters.color_range, AVCOL_RANGE_NB, AVCOL_RANGE_UNSPECIFIED)};
  return stream;
}

CodecPtr decoder_context(const Stream& stream) {
  const AVCodecDescriptor* descriptor = avcodec_descriptor_get_by_name(stream.codec.c_str());
  const AVCodec* decoder = descriptor ? avcodec_find_decoder(descriptor->id) : nullptr;
  if (!decoder) throw Error(Kind::unsupported, "there is no decoder for " + stream.codec + " in this build");
  auto codec = owned<CodecPtr>(avcodec_alloc_context3(decoder));
  codec->width = stream.coded_width;
  codec->height = stream.coded_height;
  codec->codec_tag = stream.codec_tag;
  codec->bits_per_coded_sample = stream.bits_per_coded_sample;
  codec->has_b_frames = stream.reorder;
  codec->field_order = static_cast<AVFieldOrder>(stream.field_order);
  stream.color.set(*codec);
  if (!stream.extradata.empty()) {
    const std::size_t size = stream.extradata.size();
    codec->extradata = static_cast<std::uint8_t*>(av_mallocz(size + AV_INPUT_BUFFER_PADDING_SIZE));
    if (!codec->extradata) throw std::bad_alloc();
    std::memcpy(codec->extradata, stream.extradata.data(), size);
    codec->extradata_size = static_cast<int>(size);
  }
  return codec;
}

AVRational Demuxer::time_base() const { return stream_->time_base; }

std::string Demuxer::container() const { return container_->name(); }

bool Demuxer::clockless() const { return container_->context()->iformat->flags & AVFMT_NOTIMESTAMPS; }

AVRational Demuxer::sample_aspect_ratio() const {
  return av_guess_sample_aspect_ratio(container_->context(), stream_, nullptr);
}

std::int64_t Demuxer::duration() const {
  if (clockless()) return 0;  // libavformat guesses from the bit rate
  if (stream_->duration != AV_NOPTS_VALUE) return stream_->duration;
  const std::int64_t whole = container_->context()->duration;
  if (whole == AV_NOPTS_VALUE) return 0;
  return av_rescale_q(whole, AV_TIME_BASE_Q, stream_->time_base);
}

Transport Demuxer::transport() const {
  if (container() != "mpegts") return {};
  std::int64_t stride = 0;
  check(av_opt_get_int(container_->context()->priv_data, "ts_packetsize", 0, &stride), Kind::unsupported,
        "the size of the packets is not known");
  return {.stride = static_cast<std::uint32_t>(stride), .pid = static_cast<std::uint32_t>(stream_->id)};
}

namespace {

// Returns whether a sample of GIF has an image behind its header and extensions. Comments may follow the last one.
bool has_image(Bytes sample) {
  const auto at = [&](std::size_t place) { return place < sample.size() ? std::size_t{sample[place]} : 0; };
  const auto table_bytes = [](std::size_t flags) { return flags & 0x80 ? std::size_t{6} << (flags & 7) : 0; };
  std::size_t place = at(0) == 'G' ? 13 + table_bytes(at(10)) : 0;
  while (at(place) == '!') {
    for (place += 2; at(place); place += at(place) + 1) {
    }
    place++;
  }
  return at(place) == ',';
}

// VP8 and VP9 have pictures that are decoded and never shown; their first bits tell them apart.
bool is_hidden(AVCodecID codec, const AVPacket& packet) {
  if (packet.size < 1) return false;
  if (codec == AV_CODEC_ID_GIF) return !has_image({packet.data, static_cast<std::size_t>(packet.size)});
  if (codec == AV_CODEC_ID_VP8) return !(packet.data[0] & 0x10);
  if (codec == AV_CODEC_ID_VP9) {
    if ((packet.data[packet.size - 1] & 0xe0) == 0xc0) return false;  // a superframe ends with a shown picture
    const int profile = (packet.data[0] >> 5 & 1) | (packet.data[0] >> 3 & 2);
    const int after_profile = profile == 3 ? 2 : 3;
    const bool show_existing = packet.data[0] >> after_profile & 1;
    return !show_existing && !(packet.data[0] >> (after_profile - 2) & 1);
  }
  return false;
}

// Side data that no picture depends on.
bool is_irrelevant(AVPacketSideDataType type) {
  return type == AV_PKT_DATA_MPEGTS_STREAM_ID || type == AV_PKT_DATA_MATROSKA_BLOCKADDITIONAL ||
         type == AV_PKT_DATA_DYNAMIC_HDR10_PLUS;
}

// Finds the samples' bytes in the file: each in one piece, a little behind the position of its block, or in MPEG-TS one
// after the other in payloads.
class Locator {
 public:
  Locator(const ByteSource& source, const Transport& transport)
      : source_(source), transport_(transport), payloads_(source, transport) {}

  // Returns the place of the sample's first byte.
  std::optional<std::uint64_t> locate(const AVPacket& packet) {
    if (packet.pos < 0 || packet.size == 0 || packet.flags & AV_PKT_FLAG_CORRUPT) return std::nullopt;
    for (int i = 0; i < packet.side_data_elems; i++)
      if (!is_irrelevant(packet.side_data[i].type)) return std::nullopt;
    const auto begin = static_cast<std::uint64_t>(packet.pos);
    return transport_.stride ? in_payloads(begin, bytes_of(packet)) : in_one_piece(begin, bytes_of(packet));
  }

  // Returns how the samples located so far lie in MPEG-TS.
  const Transport& transport() const { return transport_; }

 private:
  std::optional<std::uint64_t> in_one_piece(std::uint64_t begin, Bytes sample) {
    static constexpr std::size_t max_header = 64, first_bytes = 16;
    there_.resize(max_header + sample.size());
    there_.resize(source_.read(begin, there_));
    const auto first = sample.first(std::min(first_bytes, sample.size()));
    for (auto at = there_.begin();; ++at) {
      at = std::search(at, there_.end(), first.begin(), first.end());
      if (static_cast<std::size_t>(there_.end() - at) < sample.size()) return std::nullopt;
      if (std::equal(sample.begin(), sample.end(), at)) return begin + static_cast<std::uint64_t>(at - there_.begin());
    }
  }

  // `pes`: the place of a PES packet as libavformat states it, which takes what stands around packets for their front.
  std::optional<std::uint64_t> in_payloads(std::uint64_t pes, Bytes sample) {
    const std::uint64_t packet = pes + transport_.stride - packet_bytes;
    if (transport_.end == 0) {
      transport_.phase = static_cast<std::uint32_t>(packet % transport_.stride);
      transport_.end = packet;
      payloads_ = Payloads(source_, transport_);
    }
    payloads_.seek(transport_.end);
    std::optional<std::uint64_t> found;
    for (std::size_t done = 0; done < sample.size();) {
      const auto piece = payloads_.next(source_.size);
      if (!piece) return std::nullopt;
      const std::size_t size = std::min(piece->bytes.size(), sample.size() - done);
      if (!std::ranges::equal(piece->bytes.first(size), sample.subspan(done, size))) return std::nullopt;
      if (!found) found = piece->offset;
      done += size;
      transport_.end = piece->offset + size;
    }
    return found;
  }

  const ByteSource& source_;
  Transport transport_;
  Payloads payloads_;
  std::vector<std::uint8_t> there_;
};

}  // namespace

Reordering::Reordering(const Stream& stream) : codec_(decoder_context(stream)) {
  parser_.reset(av_parser_init(codec_->codec_id));
  if (parser_) parser_->flags |= PARSER_FLAG_COMPLETE_FRAMES;
}

bool Reordering::is_shown_earlier(const AVPacket& packet) {
  if (!parser_ || !packet.size) return false;
  parser_->pict_type = AV_PICTURE_TYPE_NONE;
  std::uint8_t* parsed = nullptr;
  int size = 0;
  av_parser_parse2(parser_.get(), codec_.get(), &parsed, &size, packet.data, packet.size, AV_NOPTS_VALUE,
                   AV_NOPTS_VALUE, -1);
  if (codec_->codec_id != AV_CODEC_ID_H264 && codec_->codec_id != AV_CODEC_ID_HEVC)
    return parser_->pict_type == AV_PICTURE_TYPE_B;
  if (parser_->pict_type == AV_PICTURE_TYPE_NONE) return false;
  const int number = parser_->output_picture_number;
  const bool earlier = !parser_->key_frame && number < last_;
  last_ = parser_->key_frame ? number : std::max(last_, number);
  return earlier;
}

FieldPairs::FieldPairs(const Stream& stream) {
  if (stream.codec != "h264") return;
  parser_.reset(av_parser_init(AV_CODEC_ID_H264));
  codec_ = decoder_context(stream);
  if (!parser_) throw std::bad_alloc();
  parser_->flags |= PARSER_FLAG_COMPLETE_FRAMES;
}

bool FieldPairs::is_second(const AVPacket& packet) {
  if (!parser_) return false;
  std::uint8_t* parsed = nullptr;
  int size = 0;
  av_parser_parse2(parser_.get(), codec_.get(), &parsed, &size, packet.data, packet.size, AV_NOPTS_VALUE,
                   AV_NOPTS_VALUE, -1);
  const AVPictureStructure found = parser_->picture_structure;
  const bool field = found == AV_PICTURE_STRUCTURE_TOP_FIELD || found == AV_PICTURE_STRUCTURE_BOTTOM_FIELD;
  const bool second = field && waiting_ != AV_PICTURE_STRUCTURE_UNKNOWN && waiting_ != found;
  waiting_ = field && !second ? found : AV_PICTURE_STRUCTURE_UNKNOWN;
  return second;
}

Scan scan(const ByteSource& source, std::int64_t max_pixels, Cancellation& cancellation) {
  Demuxer demuxer(source, max_pixels, &cancellation);
  demuxer.probe();
  Scan scan{.stream = demuxer.stream(),
            .container = demuxer.container(),
            .clockless = demuxer.clockless(),
            .time_base = demuxer.time_base(),
            .sample_aspect_ratio = demuxer.sample_aspect_ratio(),
            .duration = demuxer.duration()};
  const AVCodecDescriptor* codec = avcodec_descriptor_get_by_name(scan.stream.codec.c_str());
  const auto packet = owned<PacketPtr>(av_packet_alloc());
  Locator locator(source, demuxer.transport());
  bool located_all = true;
  FieldPairs fields(scan.stream);
  SetsHistory sets(scan.stream);
  const IntraCheck intra(scan.stream);
  while (demuxer.next(*packet)) {
    const auto located = located_all ? locator.locate(*packet) : std::nullopt;
    located_all = located.has_value();
    scan.offset.push_back(located.value_or(static_cast<std::uint64_t>(std::max<std::int64_t>(packet->pos, 0))));
    std::size_t header_size = 0;
    if (const auto* header = av_packet_get_side_data(packet.get(), AV_PKT_DATA_NEW_EXTRADATA, &header_size)) {
      scan.configurations.push_back({static_cast<std::uint32_t>(scan.size.size()), {header, header + header_size}});
      sets.add_header({header, header_size});
    }
    sets.add({packet->data, static_cast<std::size_t>(packet->size)});
    scan.second_field.push_back(fields.is_second(*packet));
    scan.size.push_back(static_cast<std::uint32_t>(packet->size));
    scan.pts.push_back(packet->pts);
    scan.dts.push_back(packet->dts);
    scan.sync.push_back(intra.is_key(*packet) ? 1 : 0);
    scan.disposable.push_back(packet->flags & AV_PKT_FLAG_DISPOSABLE ? 1 : 0);
    scan.hidden.push_back(
        packet->flags & AV_PKT_FLAG_DISCARD || is_hidden(codec ? codec->id : AV_CODEC_ID_NONE, *packet) ? 1 : 0);
    av_packet_unref(packet.get());
  }
  scan.parameter_sets = sets.changes();
  scan.byte_addressable = located_all && !locator.transport().stride;
  if (located_all) scan.transport = locator.transport();
  if (scan.offset.empty())
    throw Error(Kind::corrupt, "there is no sample in the video stream of this " + scan.container + " file");
  return scan;
}

}  // namespace hwang
