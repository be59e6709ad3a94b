#include "reference.h"

#include <algorithm>
#include <array>

namespace hwang {

namespace {

using Bytes = std::span<const std::uint8_t>;

// Calls `visit` with each NAL unit until it returns false. False if the sizes do not add up, or `visit` ended it.
template <typename Visit>
bool each_sized_unit(Bytes data, std::size_t length_bytes, Visit visit) {
  while (data.size() > length_bytes) {
    std::size_t size = 0;
    for (std::size_t i = 0; i < length_bytes; i++) size = size << 8 | data[i];
    data = data.subspan(length_bytes);
    if (size == 0 || size > data.size() || !visit(data.first(size))) return false;
    data = data.subspan(size);
  }
  return data.empty();
}

template <typename Visit>
bool each_unit_behind_start_code(Bytes data, Visit visit) {
  static constexpr std::array<std::uint8_t, 3> code{0, 0, 1};
  auto at = std::search(data.begin(), data.end(), code.begin(), code.end());
  while (at != data.end()) {
    const auto begin = at + code.size();
    at = std::search(begin, data.end(), code.begin(), code.end());
    if (begin != at && !visit(Bytes(begin, at))) return false;
  }
  return true;
}

template <typename Visit>
bool each_unit(Bytes data, int length_bytes, Visit visit) {
  return length_bytes ? each_sized_unit(data, static_cast<std::size_t>(length_bytes), visit)
                      : each_unit_behind_start_code(data, visit);
}

}  // namespace

References::References(const Stream& stream) {
  if (stream.codec == "h264") codec_ = Codec::h264;
  if (stream.codec == "hevc") codec_ = Codec::hevc;
  if (codec_ != Codec::other) read_header(stream.extradata);
}

// avcC and hvcC begin with their version; anything else is parameter sets behind start codes, or nothing.
void References::read_header(Bytes header) {
  if (header.size() > 4 && header[0] == 1 && codec_ == Codec::h264) length_bytes_ = (header[4] & 3) + 1;
  if (codec_ != Codec::hevc) return;
  if (header.size() < 23 || header[0] != 1) {
    each_unit_behind_start_code(header, [&](Bytes unit) { return judge_hevc(unit), true; });
    return;
  }
  length_bytes_ = (header[21] & 3) + 1;
  const int arrays = header[22];
  Bytes rest = header.subspan(23);
  for (int array = 0; array < arrays && rest.size() >= 3; array++) {
    const int units = rest[1] << 8 | rest[2];
    rest = rest.subspan(3);
    for (int i = 0; i < units && rest.size() >= 2; i++) {
      const std::size_t size = std::min<std::size_t>(rest[0] << 8 | rest[1], rest.size() - 2);
      judge_hevc(rest.subspan(2, size));
      rest = rest.subspan(2 + size);
    }
  }
}

bool References::none_to(Bytes sample) {
  if (codec_ == Codec::other) return false;
  bool picture = false;
  const bool whole = each_unit(sample, length_bytes_, [&](Bytes unit) {
    const Unit found = judge(unit);
    picture |= found == Unit::unreferenced;
    return found != Unit::referenced;
  });
  return whole && picture;
}

References::Unit References::judge(Bytes unit) { return codec_ == Codec::h264 ? judge_h264(unit) : judge_hevc(unit); }

References::Unit References::judge_h264(Bytes unit) const {
  const int type = unit[0] & 31;
  if (type >= 1 && type <= 5) return unit[0] >> 5 & 3 ? Unit::referenced : Unit::unreferenced;
  const bool accessory =
      type == 6 || type == 9 || type == 12 || type == 14 || type == 20;  // SEI, delimiter, filler, other views
  return accessory ? Unit::accessory : Unit::referenced;
}

References::Unit References::judge_hevc(Bytes unit) {
  if (unit.size() < 3) return Unit::referenced;
  const int type = unit[0] >> 1 & 63, layer = (unit[1] & 7) - 1;
  const bool extension = unit[0] & 1 || unit[1] >> 3;  // another view or quality
  if (extension) return Unit::accessory;
  if (type == 33) top_layer_ = std::max(top_layer_, unit[2] >> 1 & 7);
  if (type < 32) {
    if (layer > top_layer_) header_lied_ = header_lied_ || top_layer_ >= 0;
    // Sub-layer non-reference pictures are referred to by higher layers only.
    return type <= 14 && type % 2 == 0 && layer == top_layer_ ? Unit::unreferenced : Unit::referenced;
  }
  const bool accessory = type == 35 || type == 38 || type == 39 || type == 40;  // delimiter, filler, SEI
  return accessory ? Unit::accessory : Unit::referenced;
}

}  // namespace hwang
