#pragma once

#include "demux.h"
#include "units.h"

namespace hwang {

// Finds pictures of H.264 and HEVC that no other picture refers to, by their NAL headers: they can be skipped.
class References {
 public:
  explicit References(const Stream& stream);

  // Returns true if no other sample needs this one. When in doubt, returns false.
  bool none_to(Bytes sample);
  // Returns true once a sample contradicted the header that earlier results relied on.
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
