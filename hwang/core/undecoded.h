#pragma once

#include "av.h"

namespace hwang {

// Finds parts of a picture that were never decoded. A damaged slice of HEVC or MPEG-2 may end early without an error:
// libavcodec then returns a picture that shows there whatever its memory held. A mark in each block of that memory
// tells.
class UndecodedParts {
 public:
  // Has the decoder's pictures marked before they are decoded.
  static void mark_pictures_of(AVCodecContext& codec) { codec.get_buffer2 = &get_marked_buffer; }
  // Returns whether a mark is still there.
  static bool any_in(const AVFrame& picture);

 private:
  static int get_marked_buffer(AVCodecContext* codec, AVFrame* picture, int flags) noexcept;
};

}  // namespace hwang
