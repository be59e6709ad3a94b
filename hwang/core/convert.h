#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "av.h"
#include "demux.h"
#include "pixels.h"

namespace hwang {

// Converts decoded pictures to the layout of a request, as the ffmpeg tool of the same release does.
class Converter {
 public:
  Converter(const Stream& stream, const Layout& layout);
  const Layout& layout() const { return layout_; }
  // Crops a picture as the container states. Returns whether its size is the video's then.
  bool crop(AVFrame& picture) const;
  // Writes one picture; changes properties of `picture`.
  void convert(AVFrame& picture, const PlanePointers& out);

 private:
  // Properties that the conversion of luma to gray depends on.
  struct Luma {
    int format, matrix, range;
    bool operator==(const Luma&) const = default;
  };

  PlanePointers unarranged();
  void make(AVFrame& picture, const PlanePointers& out);
  void scale(AVFrame& picture, const PlanePointers& out);
  void scale_into(AVFrame& target, const AVFrame& picture);
  bool is_luma_enough(const AVFrame& picture) const;
  void map_luma(const AVFrame& picture, std::uint8_t* out);
  void learn_gray(const AVFrame& picture, const Luma& luma);

  const int width_, height_;  // of the video
  const Cropping cropping_;
  const Layout layout_;
  ScalerPtr scaler_;
  FramePtr target_;
  FramePtr padded_;
  std::vector<std::uint8_t> unarranged_;  // a picture before it is turned, or made planar
  std::optional<Luma> learnt_;
  std::array<std::uint8_t, 256> gray_{};
  bool gray_is_luma_ = false;
};

}  // namespace hwang
