#pragma once

extern "C" {
#include <libavcodec/avcodec.h>
#include <libavcodec/codec_desc.h>
#include <libavformat/avformat.h>
#include <libavutil/imgutils.h>
#include <libavutil/pixdesc.h>
#include <libswscale/swscale.h>
}

#include <memory>
#include <new>

namespace hwang {

template <auto free_function>
struct AvFree {
  template <typename T>
  void operator()(T* object) const {
    free_function(&object);
  }
};

using PacketPtr = std::unique_ptr<AVPacket, AvFree<av_packet_free>>;
using FramePtr = std::unique_ptr<AVFrame, AvFree<av_frame_free>>;
using CodecPtr = std::unique_ptr<AVCodecContext, AvFree<avcodec_free_context>>;
using ScalerPtr = std::unique_ptr<SwsContext, AvFree<sws_free_context>>;

template <typename Pointer>
Pointer owned(typename Pointer::pointer object) {
  if (!object) throw std::bad_alloc();
  return Pointer(object);
}

}  // namespace hwang
