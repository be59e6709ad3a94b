#include "sets_in_force.h"

#include <algorithm>
#include <array>

namespace hwang {

namespace {

constexpr std::array<std::uint8_t, 3> start_code{0, 0, 1};

// Bits of a NAL unit behind its header, without emulation prevention; zeros behind its end.
class UnitBits {
 public:
  explicit UnitBits(Bytes data) : data_(data) {}

  std::uint32_t read(int count) {
    std::uint32_t bits = 0;
    while (count--) bits = bits << 1 | bit();
    return bits;
  }
  std::uint32_t golomb() {
    int zeros = 0;
    while (zeros < 31 && !bit()) zeros++;
    return (1u << zeros | read(zeros)) - 1;
  }

 private:
  std::uint32_t bit() {
    if (left_ == 0) {
      if (zeros_ >= 2 && at_ < data_.size() && data_[at_] == 3) at_++, zeros_ = 0;
      byte_ = at_ < data_.size() ? data_[at_++] : 0;
      zeros_ = byte_ ? 0 : zeros_ + 1;
      left_ = 8;
    }
    return byte_ >> --left_ & 1u;
  }

  const Bytes data_;
  std::size_t at_ = 0;
  int zeros_ = 0, left_ = 0;
  std::uint32_t byte_ = 0;
};

// ITU-T H.265, 7.3.2.2: the id is behind the profile, tier and level of all sub-layers.
std::uint32_t hevc_sps_id(UnitBits bits) {
  bits.read(4);
  const std::uint32_t layers = bits.read(3);
  bits.read(1);
  for (int i = 0; i < 3; i++) bits.read(32);
  std::array<bool, 8> profile{}, level{};
  for (std::uint32_t i = 0; i < layers; i++) {
    profile[i] = bits.read(1);
    level[i] = bits.read(1);
  }
  if (layers) bits.read(static_cast<int>(2 * (8 - layers)));
  for (std::uint32_t i = 0; i < layers; i++) bits.read((profile[i] ? 88 : 0)), bits.read(level[i] ? 8 : 0);
  return bits.golomb();
}

// Returns the bytes from the first start code of a header up to the first one that is not part of it; nothing if
// something else stands in front of it.
template <typename IsFirst, typename GoesOn>
Bytes header_of(Bytes data, IsFirst is_first, GoesOn goes_on) {
  std::size_t begin = data.size();
  for (std::size_t at = 0; (at = behind_start_code(data, at)) < data.size();) {
    const int code = data[at];
    if (begin == data.size() && is_first(code))
      begin = at - 3;
    else if (!goes_on(code))
      return begin < data.size() ? data.subspan(begin, at - 3 - begin) : Bytes();
  }
  return begin < data.size() ? data.subspan(begin) : Bytes();
}

}  // namespace

SetsInForce::SetsInForce(const Stream& stream) : codec_(stream.codec) {
  if (codec_ == "h264") form_ = Form::nal_h264;
  if (codec_ == "hevc") form_ = Form::nal_hevc;
  if (codec_ == "av1") form_ = Form::obu;
  if (codec_ == "mpeg1video" || codec_ == "mpeg2video" || codec_ == "mpeg4" || codec_ == "vc1")
    form_ = Form::start_codes;
  take_header(stream.extradata);
}

void SetsInForce::take_header(Bytes header) {
  Sets found;
  if (form_ == Form::nal_hevc && header.size() >= 23 && header[0] == 1) {
    length_bytes_ = (header[21] & 3u) + 1;
    each_unit_of_record(header, [&](Bytes unit) { add_unit(unit, found); });
  } else if (form_ == Form::nal_h264 && header.size() >= 7 && header[0] == 1) {
    length_bytes_ = (header[4] & 3u) + 1;
    Bytes rest = header.subspan(5);
    for (int kind = 0; kind < 2 && !rest.empty(); kind++) {
      int units = rest[0] & (kind ? 0xff : 0x1f);
      for (rest = rest.subspan(1); units > 0 && rest.size() >= 2; units--) {
        const std::size_t size = static_cast<std::size_t>(rest[0] << 8 | rest[1]);
        if (size > rest.size() - 2) break;
        add_unit(rest.subspan(2, size), found);
        rest = rest.subspan(2 + size);
      }
    }
  } else if (form_ == Form::obu && header.size() > 4 && header[0] == 0x81) {
    found = sets_of_obus(header.subspan(4));  // behind av1C's own fields
  } else {
    found = sets_of(header);
  }
  for (auto& [key, bytes] : found) sets_[key] = std::move(bytes);
}

bool SetsInForce::take(Bytes sample) {
  Sets found = sets_of(sample);
  const bool any = !found.empty();
  for (auto& [key, bytes] : found) sets_[key] = std::move(bytes);
  return any;
}

bool SetsInForce::are_all_in(Bytes sample) const {
  const Sets found = sets_of(sample);
  if (sets_.empty() && found.empty()) return !apply();
  return std::all_of(sets_.begin(), sets_.end(), [&](const auto& set) { return found.contains(set.first); });
}

std::vector<std::uint8_t> SetsInForce::as_bytes() const {
  std::vector<std::uint8_t> bytes;
  for (const auto& [key, set] : sets_) {
    if (form_ == Form::nal_h264 || form_ == Form::nal_hevc) {
      if (!length_bytes_) bytes.push_back(0), bytes.insert(bytes.end(), start_code.begin(), start_code.end());
      for (std::size_t i = length_bytes_; i-- > 0;) bytes.push_back(static_cast<std::uint8_t>(set.size() >> 8 * i));
    }
    bytes.insert(bytes.end(), set.begin(), set.end());
  }
  return bytes;
}

SetsInForce::Sets SetsInForce::sets_of(Bytes sample) const {
  switch (form_) {
    case Form::nal_h264:
    case Form::nal_hevc: return sets_of_units(sample);
    case Form::start_codes: return sets_of_start_codes(sample);
    case Form::obu: return sets_of_obus(sample);
    case Form::none: break;
  }
  return {};
}

SetsInForce::Sets SetsInForce::sets_of_units(Bytes sample) const {
  Sets found;
  const auto visit = [&](Bytes unit) { return add_unit(unit, found); };
  if (length_bytes_)
    each_sized_unit(sample, length_bytes_, visit);
  else
    each_unit_behind_start_code(sample, visit);
  return found;
}

// Returns false at a slice: sets stand in front of those.
bool SetsInForce::add_unit(Bytes unit, Sets& found) const {
  while (!unit.empty() && unit.back() == 0) unit = unit.first(unit.size() - 1);  // those belong to the next start code
  if (unit.size() < 4) return true;
  int type = unit[0] & 31;
  std::uint32_t id = 0;
  if (form_ == Form::nal_h264) {
    if (type >= 1 && type <= 5) return false;
    if (type != 7 && type != 8) return true;
    id = UnitBits(unit.subspan(type == 7 ? 4 : 1)).golomb();
  } else {
    type = unit[0] >> 1 & 63;
    if (type < 32) return false;
    if (type > 34 || unit[0] & 1 || unit[1] >> 3) return true;  // another view or quality
    UnitBits bits(unit.subspan(2));
    id = type == 32 ? bits.read(4) : type == 33 ? hevc_sps_id(bits) : bits.golomb();
  }
  found[{type, id}].assign(unit.begin(), unit.end());
  return true;
}

// One set: all that stands in front of the first picture or group of pictures.
SetsInForce::Sets SetsInForce::sets_of_start_codes(Bytes data) const {
  Bytes header;
  if (codec_ == "mpeg4") {
    const auto is_layer = [](int code) { return code <= 0x2f; };
    header = header_of(
        data, [&](int code) { return is_layer(code) || code == 0xb0 || code == 0xb5; },
        [&](int code) { return is_layer(code) || code == 0xb0 || code == 0xb1 || code == 0xb2 || code == 0xb5; });
    const auto begins_layer = [](Bytes four) {
      return four[0] == 0 && four[1] == 0 && four[2] == 1 && four[3] >> 4 == 2;
    };
    bool layer = false;
    for (std::size_t i = 0; i + 4 <= header.size() && !layer; i++) layer = begins_layer(header.subspan(i, 4));
    if (!layer) return {};
  } else if (codec_ == "vc1") {
    header =
        header_of(data, [](int code) { return code == 0x0f; }, [](int code) { return code >= 0x0e && code != 0x1d; });
  } else {
    header =
        header_of(data, [](int code) { return code == 0xb3; }, [](int code) { return code == 0xb5 || code == 0xb2; });
  }
  Sets found;
  if (!header.empty()) found[{0, 0}].assign(header.begin(), header.end());
  return found;
}

// The last sequence header.
SetsInForce::Sets SetsInForce::sets_of_obus(Bytes data) const {
  Sets found;
  while (data.size() > 1) {
    const int type = data[0] >> 3 & 15;
    const std::size_t fixed = data[0] & 4 ? 2 : 1;
    if (!(data[0] & 2)) break;  // without a size it is the last one of its sample
    std::size_t size = 0, bytes = 0;
    for (; bytes < 4 && fixed + bytes < data.size(); bytes++) {
      size |= static_cast<std::size_t>(data[fixed + bytes] & 127) << 7 * bytes;
      if (!(data[fixed + bytes] & 128)) break;
    }
    const std::size_t whole = fixed + bytes + 1 + size;
    if (bytes == 4 || whole > data.size()) break;
    if (type == 1) found[{0, 0}].assign(data.begin(), data.begin() + static_cast<std::ptrdiff_t>(whole));
    data = data.subspan(whole);
  }
  return found;
}

void SetsHistory::add(Bytes sample) {
  next_++;
  if (sets_.apply() && sets_.take(sample)) note();
}

void SetsHistory::add_header(Bytes header) {
  sets_.take_header(header);
  note();
}

void SetsHistory::note() {
  auto bytes = sets_.as_bytes();
  if (bytes == last_) return;
  last_ = bytes;
  total_ += bytes.size();
  if (total_ > max_total)
    throw Error(Kind::limit, "the parameter sets of this stream change too often to be kept; encode the video again");
  changes_.push_back({next_, std::move(bytes)});
}

}  // namespace hwang
