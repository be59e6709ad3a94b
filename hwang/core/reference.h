#pragma once

#include <cstdint>
#include <span>

#include "demux.h"

namespace hwang {

// Tells from the NAL headers of H.264 and HEVC which pictures no other picture refers to: they can be left out.
class References {
 public:
  explicit References(const Stream& stream);

  // True if the sample holds nothing that decoding another sample could need. When in doubt, false.
  bool none_to(std::span<const std::uint8_t> sample);
  // True once a sample was seen that contradicts the header which earlier answers relied on.
  bool header_lied() const { return header_lied_; }

 private:
  enum class Codec { h264, hevc, other };
  enum class Unit { unreferenced, referenced, accessory };
  Unit judge(std::span<const std::uint8_t> unit);
  Unit judge_h264(std::span<const std::uint8_t> unit) const;
  Unit judge_hevc(std::span<const std::uint8_t> unit);
  void read_header(std::span<const std::uint8_t> extradata);

  Codec codec_ = Codec::other;
  int length_bytes_ = 0;  // of the size in front of a NAL unit; 0 where start codes separate them
  int top_layer_ = -1;    // HEVC: highest temporal layer that the parameter sets announce
  bool header_lied_ = false;
};

}  // namespace hwang
