#include "convert.h"

#include <cstring>
#include <string>

namespace hwang {

namespace {

// swscale's vector code writes whole vectors: rows of another length are converted into a padded frame and copied.
constexpr std::size_t alignment = 64;

AVPixelFormat av_format(PixelFormat format) {
  static constexpr AVPixelFormat formats[] = {AV_PIX_FMT_RGB24, AV_PIX_FMT_BGR24, AV_PIX_FMT_GRAY8, AV_PIX_FMT_RGB48,
                                              AV_PIX_FMT_YUV420P};
  return formats[static_cast<int>(format)];
}

bool is_rgb(const AVFrame& frame) {
  return av_pix_fmt_desc_get(static_cast<AVPixelFormat>(frame.format))->flags & AV_PIX_FMT_FLAG_RGB;
}

std::string format_name(const AVFrame& frame) {
  const char* name = av_get_pix_fmt_name(static_cast<AVPixelFormat>(frame.format));
  return name ? name : "?";
}

}  // namespace

Converter::Converter(const Stream& stream, const Layout& layout)
    : width_(stream.width), height_(stream.height), layout_(layout), scaler_(owned<ScalerPtr>(sws_alloc_context())),
      target_(empty_frame(av_format(layout.format), layout.width, layout.height)) {
  scaler_->threads = 1;
}

void Converter::convert(AVFrame& picture, const PlanePointers& out) {
  if (picture.width != width_ || picture.height != height_)
    throw Error(Kind::unsupported, "a picture is " + std::to_string(picture.width) + "x" +
                                       std::to_string(picture.height) + " where the container announced " +
                                       std::to_string(width_) + "x" + std::to_string(height_) +
                                       "; videos that change or misstate their size are not supported");
  // Like the ffmpeg tool's scale filter: scales fields together, and leaves the chroma position to the scaler.
  picture.flags &= ~AV_FRAME_FLAG_INTERLACED;
  picture.chroma_location = AVCHROMA_LOC_UNSPECIFIED;
  if (is_luma_enough(picture))
    map_luma(picture, out[0]);
  else
    scale(picture, out);
}

void Converter::scale(AVFrame& picture, const PlanePointers& out) {
  bool direct = true;
  for (int i = 0; i < layout_.planes(); i++)
    direct = direct && layout_.plane(i).row_bytes % alignment == 0 &&
             reinterpret_cast<std::uintptr_t>(out[i]) % alignment == 0;
  if (direct) {
    for (int i = 0; i < layout_.planes(); i++) {
      target_->data[i] = out[i];
      target_->linesize[i] = static_cast<int>(layout_.plane(i).row_bytes);
    }
    scale_into(*target_, picture);
    return;
  }
  if (!padded_) {
    padded_ = empty_frame(target_->format, layout_.width, layout_.height);
    check(av_frame_get_buffer(padded_.get(), alignment), Kind::limit, "no memory for a picture");
  }
  scale_into(*padded_, picture);
  for (int i = 0; i < layout_.planes(); i++) {
    const PlaneSize plane = layout_.plane(i);
    for (std::size_t y = 0; y < plane.rows; y++)
      std::memcpy(out[i] + y * plane.row_bytes,
                  padded_->data[i] + static_cast<std::ptrdiff_t>(y) * padded_->linesize[i], plane.row_bytes);
  }
}

// RGB is full range; YUV and gray keep the video's own matrix and range. Primaries and transfer are copied: without
// them swscale would map the colors of HDR and wide gamuts, which the ffmpeg tool does not.
void Converter::scale_into(AVFrame& target, const AVFrame& picture) {
  target.color_primaries = picture.color_primaries;
  target.color_trc = picture.color_trc;
  if (is_rgb(target)) {
    target.colorspace = AVCOL_SPC_RGB;
    target.color_range = AVCOL_RANGE_JPEG;
  } else if (!is_rgb(picture)) {
    target.colorspace = picture.colorspace;
    target.color_range = picture.color_range;
  }
  check(sws_scale_frame(scaler_.get(), &target, &picture), Kind::unsupported,
        "pictures of format " + format_name(picture) + " cannot be converted");
}

// Returns whether each gray pixel depends on its luma alone.
bool Converter::is_luma_enough(const AVFrame& picture) const {
  if (layout_.format != PixelFormat::gray8 || layout_.width != width_ || layout_.height != height_) return false;
  const AVPixFmtDescriptor& format = *av_pix_fmt_desc_get(static_cast<AVPixelFormat>(picture.format));
  return format.comp[0].depth == 8 && format.comp[0].step == 1 &&
         !(format.flags & (AV_PIX_FMT_FLAG_RGB | AV_PIX_FMT_FLAG_PAL | AV_PIX_FMT_FLAG_BITSTREAM));
}

void Converter::map_luma(const AVFrame& picture, std::uint8_t* out) {
  const Luma luma{picture.format, picture.colorspace, picture.color_range};
  if (learnt_ != luma) learn_gray(picture, luma);
  for (int y = 0; y < height_; y++, out += width_) {
    const std::uint8_t* row = picture.data[0] + static_cast<std::ptrdiff_t>(y) * picture.linesize[0];
    if (gray_is_luma_)
      std::memcpy(out, row, static_cast<std::size_t>(width_));
    else
      for (int x = 0; x < width_; x++) out[x] = gray_[row[x]];
  }
}

// Converts each of the 256 luma values with swscale, once.
void Converter::learn_gray(const AVFrame& picture, const Luma& luma) {
  auto ramp = empty_frame(picture.format, 256, 16);
  auto shades = empty_frame(AV_PIX_FMT_GRAY8, 256, 16);
  for (const auto& frame : {ramp.get(), shades.get()})
    check(av_frame_get_buffer(frame, alignment), Kind::limit, "no memory for a picture");
  for (int plane = 0; plane < AV_NUM_DATA_POINTERS && ramp->buf[plane]; plane++)
    std::memset(ramp->buf[plane]->data, 128, ramp->buf[plane]->size);
  for (int y = 0; y < ramp->height; y++)
    for (int x = 0; x < ramp->width; x++) ramp->data[0][y * ramp->linesize[0] + x] = static_cast<std::uint8_t>(x);
  ramp->colorspace = picture.colorspace;
  ramp->color_range = picture.color_range;
  scale_into(*shades, *ramp);
  std::memcpy(gray_.data(), shades->data[0], gray_.size());
  gray_is_luma_ = std::memcmp(gray_.data(), ramp->data[0], gray_.size()) == 0;
  learnt_ = luma;
}

}  // namespace hwang
