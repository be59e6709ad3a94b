#include "reference.h"

#include <algorithm>

namespace hwang {

namespace {

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

// avcC and hvcC begin with their version; any other header is parameter sets behind start codes, or empty.
void References::read_header(Bytes header) {
  if (header.size() > 4 && header[0] == 1 && codec_ == Codec::h264) length_bytes_ = (header[4] & 3) + 1;
  if (codec_ != Codec::hevc) return;
  if (header.size() < 23 || header[0] != 1) {
    each_unit_behind_start_code(header, [&](Bytes unit) { return judge_hevc(unit), true; });
    return;
  }
  length_bytes_ = (header[21] & 3) + 1;
  each_unit_of_record(header, [&](Bytes unit) { judge_hevc(unit); });
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
