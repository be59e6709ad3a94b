#include "convert.h"

#include <cstring>
#include <string>

namespace hwang {

namespace {

// swscale's vector code writes whole vectors: rows that do not end on one are converted beside and copied.
constexpr int alignment = 64;

FramePtr rgb_frame(int width, int height) {
  auto frame = owned<FramePtr>(av_frame_alloc());
  frame->format = AV_PIX_FMT_RGB24;
  frame->width = width;
  frame->height = height;
  frame->colorspace = AVCOL_SPC_RGB;
  frame->color_range = AVCOL_RANGE_JPEG;
  return frame;
}

}  // namespace

Converter::Converter(int width, int height)
    : width_(width), height_(height), scaler_(owned<ScalerPtr>(sws_alloc_context())), target_(rgb_frame(width, height)) {
  scaler_->threads = 1;
}

void Converter::to_rgb24(AVFrame& picture, std::uint8_t* out) {
  if (picture.width != width_ || picture.height != height_)
    throw Error(Kind::unsupported, "a picture is " + std::to_string(picture.width) + "x" + std::to_string(picture.height) + " where the container announced " +
                                       std::to_string(width_) + "x" + std::to_string(height_) + "; videos that change or misstate their size are not supported");
  // As the ffmpeg tool's scale filter: fields are not scaled apart, and the chroma position is left to the scaler.
  picture.flags &= ~AV_FRAME_FLAG_INTERLACED;
  picture.chroma_location = AVCHROMA_LOC_UNSPECIFIED;

  const std::size_t row = static_cast<std::size_t>(width_) * 3;
  const bool direct = row % alignment == 0 && reinterpret_cast<std::uintptr_t>(out) % alignment == 0;
  AVFrame* target = target_.get();
  if (direct) {
    target->data[0] = out;
    target->linesize[0] = static_cast<int>(row);
  } else {
    if (!padded_) {
      padded_ = rgb_frame(width_, height_);
      check(av_frame_get_buffer(padded_.get(), alignment), Kind::limit, "no memory for a picture");
    }
    target = padded_.get();
  }
  const char* format = av_get_pix_fmt_name(static_cast<AVPixelFormat>(picture.format));
  check(sws_scale_frame(scaler_.get(), target, &picture), Kind::unsupported,
        std::string("pictures of format ") + (format ? format : "?") + " cannot be converted to RGB");
  if (!direct)
    for (int y = 0; y < height_; y++) std::memcpy(out + y * row, target->data[0] + static_cast<std::ptrdiff_t>(y) * target->linesize[0], row);
}

}  // namespace hwang
