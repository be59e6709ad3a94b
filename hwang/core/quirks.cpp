#include "quirks.h"

#include <random>

namespace hwang {

Quirks quirks_of(AVCodecID codec) {
  switch (codec) {
    case AV_CODEC_ID_AV1: return {.header_in_band = true};
    case AV_CODEC_ID_FFV1: return {.only_logs = true};  // it finds damage by checksums
    case AV_CODEC_ID_H264: return {.marks_damage = true};
    case AV_CODEC_ID_HEVC:
    case AV_CODEC_ID_MPEG2VIDEO: return {.leaves_parts = true};
    case AV_CODEC_ID_THEORA: return {.one_thread = true, .only_logs = true, .reads_on = true};
    case AV_CODEC_ID_VP8: return {.keeps_state = true, .leaves_parts = true};
    case AV_CODEC_ID_FFVHUFF:
    case AV_CODEC_ID_GIF:
    case AV_CODEC_ID_HUFFYUV:
    case AV_CODEC_ID_QTRLE:
    case AV_CODEC_ID_RAWVIDEO:
    case AV_CODEC_ID_UTVIDEO: return {.keeps_state = true};
    default: return {};
  }
}

void end_in_noise(AVPacket& packet, const Stream& stream) {
  const int size = packet.size,
            noise = 256 + static_cast<int>(static_cast<std::int64_t>(stream.coded_width) * stream.coded_height / 8);
  check(av_grow_packet(&packet, noise), Kind::limit, "no memory for a sample");
  std::minstd_rand random;
  for (int i = size; i < packet.size; i++) packet.data[i] = static_cast<std::uint8_t>(random() >> 16);
}

bool is_too_short(const AVPacket& packet, const Stream& stream) {
  if (stream.codec != "rawvideo" || stream.bits_per_coded_sample > 8 || stream.coded_height <= 0) return false;
  const std::int64_t line = packet.size / stream.coded_height;
  return line * 8 < static_cast<std::int64_t>(stream.coded_width) * stream.bits_per_coded_sample;
}

Bytes palette(const Stream& stream) {
  const bool is_palette = (stream.codec == "qtrle" || stream.codec == "rawvideo") &&
                          stream.bits_per_coded_sample <= 8 && stream.extradata.size() == AVPALETTE_SIZE;
  return is_palette ? Bytes(stream.extradata) : Bytes();
}

}  // namespace hwang
