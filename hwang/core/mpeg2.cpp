#include "mpeg2.h"

#include <optional>

namespace hwang {

// ITU-T H.262, 6.2.3 and 6.2.3.1.
CodedFields coded_fields(Bytes sample) {
  constexpr int picture = 0, last_slice = 0xaf, extension = 0xb5, picture_coding = 8, frame = 3;
  CodedFields fields;
  std::optional<int> shown_at;
  each_unit_behind_start_code(sample, [&](Bytes unit) {
    const int code = unit[0];
    if (code == picture && unit.size() > 2) {
      const int number = unit[1] << 2 | unit[2] >> 6;
      fields.of_one_frame = fields.of_one_frame && number == shown_at.value_or(number);
      shown_at = number;
    }
    if (code == extension && unit.size() > 3 && unit[1] >> 4 == picture_coding) fields.any |= (unit[3] & 3) != frame;
    const bool is_slice = code > picture && code <= last_slice;
    return fields.any || !is_slice;  // the rest of a frame tells nothing
  });
  return fields;
}

}  // namespace hwang
