#pragma once

#include "demux.h"
#include "units.h"

namespace hwang {

// Tells from the NAL headers of H.264 and HEVC which pictures no other picture refers to: they can be left out.
class References {
 public:
  explicit References(const Stream& stream);

  // True if the sample holds nothing that decoding another sample could need. When in doubt, false.
  bool none_to(Bytes sample);
  // True once a sample was seen that contradicts the header which earlier answers relied on.
  bool header_lied() const { return header_lied_; }

 private:
  enum class Codec { h264, hevc, other };
  enum class Unit { unreferenced, referenced, accessory };
  Unit judge(Bytes unit);
  Unit judge_h264(Bytes unit) const;
  Unit judge_hevc(Bytes unit);
  void read_header(Bytes extradata);

  Codec codec_ = Codec::other;
  int length_bytes_ = 0;  // of the size in front of a NAL unit; 0 where start codes separate them
  int top_layer_ = -1;    // HEVC: highest temporal layer that the parameter sets announce
  bool header_lied_ = false;
};

}  // namespace hwang
