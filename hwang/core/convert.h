#pragma once

#include <cstdint>

#include "av.h"
#include "demux.h"

namespace hwang {

// Turns decoded pictures into packed RGB, as the ffmpeg tool of the same release does.
class Converter {
 public:
  Converter(int width, int height);
  // Writes height × width × 3 bytes. The picture's properties are adjusted on the way.
  void to_rgb24(AVFrame& picture, std::uint8_t* out);

 private:
  const int width_;
  const int height_;
  ScalerPtr scaler_;
  FramePtr target_;
  FramePtr padded_;
};

}  // namespace hwang
