#pragma once

extern "C" {
#include <libavcodec/avcodec.h>
#include <libavcodec/codec_desc.h>
#include <libavformat/avformat.h>
#include <libavutil/imgutils.h>
#include <libavutil/intreadwrite.h>
#include <libavutil/opt.h>
#include <libavutil/pixdesc.h>
#include <libswscale/swscale.h>
}

#include <cstdint>
#include <cstdio>
#include <memory>
#include <new>
#include <span>
#include <string>
#include <type_traits>

#include "error.h"

namespace hwang {

// Colors, as ITU-T H.273 and FFmpeg number them.
struct Color {
  int primaries = AVCOL_PRI_UNSPECIFIED;
  int transfer = AVCOL_TRC_UNSPECIFIED;
  int matrix = AVCOL_SPC_UNSPECIFIED;
  int range = AVCOL_RANGE_UNSPECIFIED;

  // Writes them to a codec context or a frame.
  template <typename T>
  void set(T& target) const {
    target.color_primaries = static_cast<AVColorPrimaries>(primaries);
    target.color_trc = static_cast<AVColorTransferCharacteristic>(transfer);
    target.colorspace = static_cast<AVColorSpace>(matrix);
    target.color_range = static_cast<AVColorRange>(range);
  }
};

// Functions of libav* take the object to free, or a pointer to it that they clear.
template <auto free_function>
struct AvFree {
  template <typename T>
  void operator()(T* object) const {
    if constexpr (std::is_invocable_v<decltype(free_function), T**>)
      free_function(&object);
    else
      free_function(object);
  }
};

using PacketPtr = std::unique_ptr<AVPacket, AvFree<av_packet_free>>;
using FramePtr = std::unique_ptr<AVFrame, AvFree<av_frame_free>>;
using CodecPtr = std::unique_ptr<AVCodecContext, AvFree<avcodec_free_context>>;
using ParserPtr = std::unique_ptr<AVCodecParserContext, AvFree<av_parser_close>>;
using InputPtr = std::unique_ptr<AVFormatContext, AvFree<avformat_close_input>>;
using OutputPtr = std::unique_ptr<AVFormatContext, AvFree<avformat_free_context>>;
using ScalerPtr = std::unique_ptr<SwsContext, AvFree<sws_free_context>>;

// Throws if a function of libav* returned an error; otherwise returns its result.
inline int check(int result, Kind kind, const std::string& doing) {
  if (result >= 0) return result;
  if (result == AVERROR(ENOMEM)) throw Error(Kind::limit, doing + ": it needs more memory than there is");
  char text[AV_ERROR_MAX_STRING_SIZE] = {};
  av_strerror(result, text, sizeof text);
  throw Error(kind, doing + ": " + text);
}

// The position that a seek of an AVIOContext asks for, or AVERROR(EINVAL).
inline std::int64_t seek_target(std::int64_t offset, int whence, std::int64_t position, std::int64_t size) {
  const int from = whence & ~AVSEEK_FORCE;
  if (from != SEEK_SET && from != SEEK_CUR && from != SEEK_END) return AVERROR(EINVAL);
  const std::int64_t base = from == SEEK_SET ? 0 : from == SEEK_CUR ? position : size;
  return offset < -base || offset > INT64_MAX - base ? AVERROR(EINVAL) : base + offset;
}

inline std::span<const std::uint8_t> bytes_of(const AVPacket& packet) {
  return {packet.data, packet.data ? static_cast<std::size_t>(packet.size) : 0};
}

template <typename Pointer>
Pointer owned(typename Pointer::pointer object) {
  if (!object) throw std::bad_alloc();
  return Pointer(object);
}

// A frame without memory for its pixels.
inline FramePtr empty_frame(int format, int width, int height) {
  auto frame = owned<FramePtr>(av_frame_alloc());
  frame->format = format;
  frame->width = width;
  frame->height = height;
  return frame;
}

}  // namespace hwang
