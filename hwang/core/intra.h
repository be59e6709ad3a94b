#pragma once

#include "demux.h"
#include "units.h"

namespace hwang {

// Recognizes pictures that refer to no other: a sync sample of the container may not be one, and some decoders make up
// what a picture refers to, and report nothing.
class IntraCheck {
 public:
  explicit IntraCheck(const Stream& stream);

  // False for decoders that report what is missing, and for codecs that have intra pictures alone.
  bool is_needed() const { return needed_; }
  // The decoder marks such a picture. That of QuickTime Animation marks none.
  bool is_intra(const AVFrame& picture) const { return codec_ != Codec::qtrle && picture.flags & AV_FRAME_FLAG_KEY; }
  // Returns true for a sample of QuickTime Animation that sets every pixel, and for one of VP9 that begins with a key
  // frame, shown or hidden.
  bool is_intra(Bytes sample) const;
  // Returns the flag of a packet of libavformat, which some of its parsers set for every picture.
  bool is_key(const AVPacket& packet) const;

 private:
  enum class Codec : std::uint8_t { other, h263, qtrle, vc1, vp9 };
  const bool needed_;
  const Codec codec_;
  int depth_, width_, height_;
  bool interlaced_ = false;  // VC-1: a picture's header begins with how it is
};

}  // namespace hwang
