#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "units.h"

namespace hwang {

// Refuses HEVC units that harm libavcodec, before it parses them: picture parameter sets that take far too long to
// parse, which are those with the 3D extension (CVE-2026-125183), whose loops go on behind the end of the data, those
// with more tiles than any level allows, and more of them in a row than can be in use; and messages (SEI) with AFGS1
// film grain, which can make it divide by zero (CVE-2026-125185). All functions throw Error(Kind::unsupported).
//
// The start of a NAL unit depends on how units are separated. Every place that libavcodec may take for one is checked:
// behind each length and behind each start code, also one inside a unit with a length.
class ParameterSetGuard {
 public:
  // Checks an hvcC record, or parameter sets behind start codes, or nothing. The header defines how units of samples
  // are separated; if a stream has several headers, all their ways count.
  void check_header(Bytes header);
  // Checks one whole sample.
  void check_sample(Bytes sample);
  // Checks the next bytes of a stream of units behind start codes, cut anywhere; some only with later bytes, or in
  // finish().
  void check_stream(Bytes more);
  void finish();

  bool has_sized_units() const { return sized_units_; }
  bool has_start_codes() const { return start_codes_ || !sized_units_; }

 private:
  void check_unit(Bytes unit);
  void check_behind_start_codes(Bytes data);
  void check_sized(Bytes unit);
  void look_at(Bytes data);

  bool sized_units_ = false, start_codes_ = false;
  std::array<bool, 5> length_bytes_{};  // sizes of the lengths in front of units
  int in_a_row_ = 0;                    // parameter sets since the last slice

  static constexpr std::size_t block_bytes = 256 << 10, seam_bytes = 5;  // a start code and a unit's header
  std::vector<std::uint8_t> waiting_;  // of the stream: its last bytes, or all of a unit that goes on
  bool open_ = false;                  // it does
  std::size_t due_ = 0;                // bytes to wait for then
};

}  // namespace hwang
