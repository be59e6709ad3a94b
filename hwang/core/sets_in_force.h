#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "demux.h"
#include "units.h"

namespace hwang {

// The parameter sets that a decoder holds: those of the stream's header, then those that samples bring, which replace
// others of the same kind and id. Knows H.264, HEVC, AV1, MPEG-1, MPEG-2, MPEG-4 part 2 and VC-1.
class SetsInForce {
 public:
  explicit SetsInForce(const Stream& stream);

  // Returns whether streams of this codec carry parameter sets.
  bool apply() const { return form_ != Form::none; }
  // Takes over the sets of another header.
  void take_header(Bytes header);
  // Takes over the sets of a sample. Returns whether it has any.
  bool take(Bytes sample);
  // Returns whether the sample itself has a set of each kind and id that is in force, and any at all, so that it does
  // not matter which sets a decoder holds.
  bool are_all_in(Bytes sample) const;
  // Returns all sets, in the form in which a sample carries them.
  std::vector<std::uint8_t> as_bytes() const;

 private:
  enum class Form { none, nal_h264, nal_hevc, obu, start_codes };
  using Key = std::pair<int, std::uint32_t>;  // kind and id
  using Sets = std::map<Key, std::vector<std::uint8_t>>;

  Sets sets_of(Bytes sample) const;
  Sets sets_of_units(Bytes sample) const;
  Sets sets_of_start_codes(Bytes data) const;
  Sets sets_of_obus(Bytes data) const;
  bool add_unit(Bytes unit, Sets& found) const;

  Form form_ = Form::none;
  std::string codec_;
  std::size_t length_bytes_ = 0;  // of the size in front of a NAL unit; 0 if start codes separate them
  Sets sets_;
};

// The parameter sets in force at each sample of a stream.
class SetsHistory {
 public:
  explicit SetsHistory(const Stream& stream) : sets_(stream), last_(sets_.as_bytes()) {}

  // Adds the next sample, in decode order.
  void add(Bytes sample);
  // Takes over the sets of a header, which holds from the next sample on.
  void add_header(Bytes header);
  // Returns the sets in force from each sample on at which they become others, beginning with the header's.
  const std::vector<BytesFrom>& changes() const { return changes_; }

 private:
  void note();

  SetsInForce sets_;
  std::vector<std::uint8_t> last_;
  std::vector<BytesFrom> changes_;
  std::uint32_t next_ = 0;
  std::size_t total_ = 0;
  static constexpr std::size_t max_total = 64 << 20;
};

}  // namespace hwang
