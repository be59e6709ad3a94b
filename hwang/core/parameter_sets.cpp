#include "parameter_sets.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "error.h"

namespace hwang {

namespace {

// ITU-T H.265, table A.6 and its successors: no level has more than 44.
constexpr std::uint32_t max_tiles = 64;
// Their ids go to 63. libavcodec parses all those in front of a slice without a chance to stop it.
constexpr int max_in_a_row = 256;
// More bytes than the fields in front of the extension flags can have.
constexpr std::size_t max_bytes_parsed = 256 << 10;

constexpr int pps_type = 34, prefix_sei_type = 39, suffix_sei_type = 40;

// ITU-T T.35: the United States, the Alliance for Open Media, AFGS1. No zeros: emulation prevention never splits them.
constexpr std::array<std::uint8_t, 4> afgs1{0xb5, 0x58, 0x90, 0x01};
// The longest message that is collected from pieces.
constexpr std::size_t max_message_bytes = 16 << 20;

bool is_message(int type) { return type == prefix_sei_type || type == suffix_sei_type; }

class Malformed {};  // libavcodec itself refuses this parameter set, or does not reach its extensions

// Reads bits exactly as libavcodec's readers do, so that both are at the same position whatever the data.
class Bits {
 public:
  explicit Bits(Bytes payload) : payload_(payload) {}

  std::uint32_t read(int count) {
    const std::uint32_t bits = count ? static_cast<std::uint32_t>(ahead() << at_ % 8 >> (64 - count)) : 0;
    skip(count);
    return bits;
  }
  bool flag() { return read(1); }

  // get_ue_golomb_long: any length.
  std::uint32_t golomb() {
    const int zeros = std::min(std::countl_zero(static_cast<std::uint32_t>(ahead() << at_ % 8 >> 32)), 31);
    skip(zeros);
    return read(zeros + 1) - 1;
  }
  // get_ue_golomb: 0 to 8190.
  std::uint32_t golomb_13() {
    const std::uint32_t cache = cached();
    const int zeros = std::min(std::countl_zero(cache), 31);
    skip(2 * zeros + 1);
    if (zeros > 12) throw Malformed();
    return (cache >> (31 - 2 * zeros)) - 1;
  }
  // get_ue_golomb_31: 0 to 30.
  std::uint32_t golomb_31() {
    const std::uint32_t cache = cached();
    const int zeros = std::countl_zero(cache);
    if (zeros > 4) throw Malformed();
    skip(2 * zeros + 1);
    return (cache >> (31 - 2 * zeros)) - 1;
  }
  // get_se_golomb.
  int signed_golomb() {
    const int zeros = std::min(std::countl_zero(cached()), 31);
    skip(zeros);
    const std::uint32_t code = cached() >> (31 - zeros);
    skip(zeros + 1);
    return code & 1 ? -static_cast<int>(code >> 1) : static_cast<int>(code >> 1);
  }

 private:
  void skip(int count) {
    at_ += static_cast<std::size_t>(count);
    if (at_ > 8 * payload_.size()) throw Malformed();
  }
  // The eight bytes from the current one on.
  std::uint64_t ahead() const {
    std::uint64_t bytes = 0;
    for (std::size_t i = at_ / 8; i < at_ / 8 + 8; i++) bytes = bytes << 8 | (i < payload_.size() ? payload_[i] : 0);
    return bytes;
  }
  // The window of most readers: four bytes, less the bits that are read already.
  std::uint32_t cached() const { return static_cast<std::uint32_t>(ahead() >> 32) << at_ % 8; }

  const Bytes payload_;
  std::size_t at_ = 0;
};

void skip_scaling_lists(Bits& bits) {
  for (int size = 0; size < 4; size++)
    for (std::uint32_t matrix = 0; matrix < 6; matrix += size == 3 ? 3 : 1) {
      if (!bits.flag()) {
        if (bits.golomb() * (size == 3 ? 3 : 1) > matrix) throw Malformed();
        continue;
      }
      if (size > 1) {
        const int dc = bits.signed_golomb();
        if (dc < -7 || dc > 247) throw Malformed();
      }
      for (int i = 0; i < (size ? 64 : 16); i++) bits.signed_golomb();
    }
}

void skip_tiles(Bits& bits) {
  const std::uint32_t columns = bits.golomb_13() + 1, rows = bits.golomb_13() + 1;
  if (columns > max_tiles || rows > max_tiles)
    throw Error(Kind::unsupported, "a picture parameter set of this HEVC stream has " + std::to_string(columns) +
                                       " columns and " + std::to_string(rows) +
                                       " rows of tiles: more than any level allows, and setting them up can take "
                                       "unbounded time; encode the video again");
  if (!bits.flag())
    for (std::uint32_t i = 0; i < columns - 1 + rows - 1; i++) bits.golomb();
  bits.flag();
}

// ITU-T H.265, 7.3.2.3.1, as far as the extension flags.
void check_picture_parameters(Bits& bits) {
  const auto within = [](int value, int most) {
    if (value < -most || value > most) throw Malformed();
  };
  if (bits.golomb() >= 64 || bits.golomb() >= 16) throw Malformed();  // ids
  bits.read(7);
  if (bits.golomb_31() >= 15 || bits.golomb_31() >= 15) throw Malformed();  // references
  bits.signed_golomb();
  bits.read(2);
  if (bits.flag()) bits.golomb();
  within(bits.signed_golomb(), 12);
  within(bits.signed_golomb(), 12);
  bits.read(4);
  const bool tiles = bits.flag();
  bits.flag();
  if (tiles) skip_tiles(bits);
  bits.flag();
  if (bits.flag()) {
    bits.flag();
    if (!bits.flag()) {
      within(bits.signed_golomb(), 6);
      within(bits.signed_golomb(), 6);
    }
  }
  if (bits.flag()) skip_scaling_lists(bits);
  bits.flag();
  bits.golomb();
  bits.flag();
  if (!bits.flag()) return;
  bits.read(2);
  if (bits.flag())
    throw Error(
        Kind::unsupported,
        "a picture parameter set of this HEVC stream has the 3D extension (pps_3d_extension_flag), which is refused: "
        "parsing it can take unbounded time; encode the video again without it");
}

// Bytes of a unit behind its two-byte header, up to the next start code, without emulation prevention.
std::vector<std::uint8_t> payload(Bytes unit) {
  std::vector<std::uint8_t> bytes;
  int zeros = 0;
  for (const auto byte : unit.subspan(2)) {
    if (zeros >= 2 && byte == 1) break;
    if (zeros >= 2 && byte == 3) {
      zeros = 0;
      continue;
    }
    zeros = byte ? 0 : zeros + 1;
    bytes.push_back(byte);
    if (bytes.size() == max_bytes_parsed) break;
  }
  return bytes;
}

void check_message(Bytes unit) {
  const std::size_t next = behind_start_code(unit, 0);
  const Bytes own = unit.first(next == unit.size() ? next : next - 3);
  if (std::search(own.begin(), own.end(), afgs1.begin(), afgs1.end()) != own.end())
    throw Error(Kind::unsupported,
                "this HEVC stream has AFGS1 film grain, which is refused: applying it can end the process; encode the "
                "video again without it");
}

}  // namespace

void ParameterSetGuard::check_unit(Bytes unit) {
  if (unit.size() <= 2 || unit[0] >> 7 || !(unit[1] & 7)) return;  // libavcodec drops it
  const int type = unit[0] >> 1, layer = (unit[0] & 1) << 5 | unit[1] >> 3;
  const bool slice = type <= 9 || (type >= 16 && type <= 21);
  if (slice && !layer) in_a_row_ = 0;
  if (is_message(type)) check_message(unit);
  if (type != pps_type) return;
  if (++in_a_row_ > max_in_a_row)
    throw Error(
        Kind::unsupported,
        "this HEVC stream has more than " + std::to_string(max_in_a_row) +
            " picture parameter sets in a row, and parsing them can take unbounded time; encode the video again");
  const auto bytes = payload(unit);
  try {
    Bits bits(bytes);
    check_picture_parameters(bits);
  } catch (const Malformed&) {
    // libavcodec refuses it
  }
}

void ParameterSetGuard::check_behind_start_codes(Bytes data) {
  for (std::size_t at = 0; (at = behind_start_code(data, at)) < data.size();) check_unit(data.subspan(at));
}

void ParameterSetGuard::check_sized(Bytes unit) {
  check_unit(unit);
  check_behind_start_codes(unit);
}

void ParameterSetGuard::check_header(Bytes header) {
  if (header.empty()) return;
  const bool is_record = header.size() >= 23 && (header[0] == 1 || (header[0] == 0 && (header[1] || header[2] > 1)));
  if (!is_record) {
    start_codes_ = true;
    return check_behind_start_codes(header);
  }
  sized_units_ = true;
  length_bytes_[static_cast<std::size_t>(header[21] & 3) + 1] = true;
  // libavcodec's parser gives up at a unit that is cut, and goes on with the lengths of the record.
  if (!each_unit_of_record(header, [&](Bytes unit) { check_sized(unit); })) length_bytes_[2] = true;
}

void ParameterSetGuard::check_sample(Bytes sample) {
  if (has_start_codes()) check_behind_start_codes(sample);
  for (std::size_t length_bytes = 1; length_bytes < length_bytes_.size(); length_bytes++)
    if (length_bytes_[length_bytes])
      each_sized_unit(sample, length_bytes, [&](Bytes unit) { return check_sized(unit), true; });
}

void ParameterSetGuard::check_stream(Bytes more) {
  const bool at_seam = [&] {
    std::vector<std::uint8_t> seam(waiting_);
    seam.insert(seam.end(), more.begin(),
                more.begin() + static_cast<std::ptrdiff_t>(std::min(seam_bytes, more.size())));
    return behind_start_code(seam, 0) < seam.size();
  }();
  if (!open_ && !at_seam && more.size() > seam_bytes) return look_at(more);
  waiting_.insert(waiting_.end(), more.begin(), more.end());
  if (!open_ || waiting_.size() >= due_) finish();
}

void ParameterSetGuard::finish() { look_at(std::vector<std::uint8_t>(std::move(waiting_))); }

void ParameterSetGuard::look_at(Bytes data) {
  // Keeps the start of what may not be whole yet: a start code, a parameter set or a message.
  std::size_t keep = data.size() - std::min(data.size(), seam_bytes);
  open_ = false;
  for (std::size_t at = 0; (at = behind_start_code(data, at)) < data.size();) {
    check_unit(data.subspan(at));
    if (behind_start_code(data, at) < data.size()) continue;
    const int type = data[at] >> 1;
    const std::size_t size = data.size() - at;
    if (is_message(type) && size > max_message_bytes)
      throw Error(Kind::unsupported,
                  "this HEVC stream has a message (SEI) of more than " + std::to_string(max_message_bytes) + " bytes");
    if (!is_message(type) && (type != pps_type || size >= 2 * max_bytes_parsed)) continue;
    open_ = true;
    keep = std::min(keep, at - 3);
  }
  waiting_.assign(data.begin() + static_cast<std::ptrdiff_t>(keep), data.end());
  due_ = waiting_.size() + block_bytes;
}

}  // namespace hwang
