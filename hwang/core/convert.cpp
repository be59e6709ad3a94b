#include "convert.h"

#include <cstring>
#include <memory>
#include <string>

#include "arrange.h"
#include "rgb24.h"

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

// Crops as the ffmpeg tool's filter does: at whole chroma samples.
void crop(AVFrame& picture, const Cropping& cropping) {
  if (cropping == Cropping{}) return;
  const AVPixFmtDescriptor& format = *av_pix_fmt_desc_get(static_cast<AVPixelFormat>(picture.format));
  const auto whole = [](int pixels, int log2_chroma) { return pixels & ~((1 << log2_chroma) - 1); };
  const int width = whole(picture.width - cropping.left - cropping.right, format.log2_chroma_w);
  const int height = whole(picture.height - cropping.top - cropping.bottom, format.log2_chroma_h);
  if (width <= 0 || height <= 0) return;
  picture.crop_left = static_cast<std::size_t>(whole(cropping.left, format.log2_chroma_w));
  picture.crop_top = static_cast<std::size_t>(whole(cropping.top, format.log2_chroma_h));
  picture.crop_right = static_cast<std::size_t>(picture.width - width) - picture.crop_left;
  picture.crop_bottom = static_cast<std::size_t>(picture.height - height) - picture.crop_top;
  check(av_frame_apply_cropping(&picture, AV_FRAME_CROP_UNALIGNED), Kind::corrupt, "a picture cannot be cropped");
}

std::string format_name(const AVFrame& frame) {
  const char* name = av_get_pix_fmt_name(static_cast<AVPixelFormat>(frame.format));
  return name ? name : "?";
}

}  // namespace

Converter::Converter(const Stream& stream, const Layout& layout)
    : width_(stream.width), height_(stream.height), cropping_(stream.cropping), layout_(layout),
      scaler_(owned<ScalerPtr>(sws_alloc_context())),
      target_(empty_frame(av_format(layout.format), layout.width, layout.height)) {
  scaler_->threads = 1;
}

bool Converter::crop(AVFrame& picture) const {
  hwang::crop(picture, cropping_);
  return picture.width == width_ && picture.height == height_;
}

void Converter::convert(AVFrame& picture, const PlanePointers& out) {
  // Like the ffmpeg tool's scale filter: scales fields together, and leaves the chroma position to the scaler.
  picture.flags &= ~AV_FRAME_FLAG_INTERLACED;
  picture.chroma_location = AVCHROMA_LOC_UNSPECIFIED;
  const bool rearranged = layout_.is_rearranged();
  const PlanePointers made = rearranged ? unarranged() : out;
  make(picture, made);
  for (int i = 0; rearranged && i < layout_.planes(); i++) arrange(layout_, i, made[i], out[i]);
}

void Converter::make(AVFrame& picture, const PlanePointers& out) {
  if (is_luma_enough(picture))
    map_luma(picture, out[0]);
  else
    scale(picture, out);
}

PlanePointers Converter::unarranged() {
  PlanePointers planes{};
  std::size_t size = 0;
  for (int i = 0; i < layout_.planes(); i++) size += layout_.plane(i).bytes() + alignment;
  unarranged_.resize(size);
  void* next = unarranged_.data();
  for (int i = 0; i < layout_.planes(); i++) {
    planes[i] = static_cast<std::uint8_t*>(std::align(alignment, layout_.plane(i).bytes(), next, size));
    next = planes[i] + layout_.plane(i).bytes();
    size -= layout_.plane(i).bytes();
  }
  return planes;
}

void Converter::scale(AVFrame& picture, const PlanePointers& out) {
  if (layout_.format == PixelFormat::rgb24 && layout_.width == picture.width && layout_.height == picture.height &&
      convert_to_rgb24(picture, out[0], 3 * layout_.width))
    return;
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

// RGB is full range; YUV and gray keep the video's own matrix and range. All else that describes the colors is copied,
// primaries, transfer, and what messages say of the display: where it differs swscale would map the colors, which the
// ffmpeg tool does not.
void Converter::scale_into(AVFrame& target, const AVFrame& picture) {
  av_frame_side_data_free(&target.side_data, &target.nb_side_data);
  check(av_frame_copy_props(&target, &picture), Kind::limit, "no memory for a picture");
  if (is_rgb(target)) {
    target.colorspace = AVCOL_SPC_RGB;
    target.color_range = AVCOL_RANGE_JPEG;
  } else if (is_rgb(picture)) {
    target.colorspace = AVCOL_SPC_UNSPECIFIED;
    target.color_range = AVCOL_RANGE_UNSPECIFIED;
  }
  check(sws_scale_frame(scaler_.get(), &target, &picture), Kind::unsupported,
        "pictures of format " + format_name(picture) + " cannot be converted");
}

// Returns whether each gray pixel depends on its luma alone.
bool Converter::is_luma_enough(const AVFrame& picture) const {
  if (layout_.format != PixelFormat::gray8 || layout_.width != picture.width || layout_.height != picture.height)
    return false;
  const AVPixFmtDescriptor& format = *av_pix_fmt_desc_get(static_cast<AVPixelFormat>(picture.format));
  return format.comp[0].depth == 8 && format.comp[0].step == 1 &&
         !(format.flags & (AV_PIX_FMT_FLAG_RGB | AV_PIX_FMT_FLAG_PAL | AV_PIX_FMT_FLAG_BITSTREAM));
}

void Converter::map_luma(const AVFrame& picture, std::uint8_t* out) {
  const Luma luma{picture.format, picture.colorspace, picture.color_range};
  if (learnt_ != luma) learn_gray(picture, luma);
  for (int y = 0; y < layout_.height; y++, out += layout_.width) {
    const std::uint8_t* row = picture.data[0] + static_cast<std::ptrdiff_t>(y) * picture.linesize[0];
    if (gray_is_luma_)
      std::memcpy(out, row, static_cast<std::size_t>(layout_.width));
    else
      for (int x = 0; x < layout_.width; x++) out[x] = gray_[row[x]];
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
