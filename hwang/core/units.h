#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace hwang {

// NAL units of H.264 and HEVC.
using Bytes = std::span<const std::uint8_t>;

// Returns the position behind the first start code (0, 0, 1) from `from` on, or the end.
inline std::size_t behind_start_code(Bytes data, std::size_t from) {
  for (std::size_t at = from + 2; at < data.size(); at++) {
    const void* one = std::memchr(data.data() + at, 1, data.size() - at);
    if (!one) break;
    at = static_cast<std::size_t>(static_cast<const std::uint8_t*>(one) - data.data());
    if (!data[at - 1] && !data[at - 2]) return at + 1;
  }
  return data.size();
}

// Calls `visit` with each unit behind a start code, until it returns false. Returns true if all were visited.
template <typename Visit>
bool each_unit_behind_start_code(Bytes data, Visit visit) {
  for (std::size_t begin = behind_start_code(data, 0); begin < data.size();) {
    const std::size_t next = behind_start_code(data, begin);
    const std::size_t end =
        next < data.size() || (next >= 3 && !data[next - 3] && !data[next - 2] && data[next - 1] == 1) ? next - 3
                                                                                                       : next;
    if (end > begin && !visit(data.subspan(begin, end - begin))) return false;
    begin = next;
  }
  return true;
}

// Calls `visit` with each unit of a sample with lengths in front of its units, until it returns false. Returns true if
// the lengths add up and all units were visited.
template <typename Visit>
bool each_sized_unit(Bytes sample, std::size_t length_bytes, Visit visit) {
  while (sample.size() > length_bytes) {
    std::size_t size = 0;
    for (std::size_t i = 0; i < length_bytes; i++) size = size << 8 | sample[i];
    sample = sample.subspan(length_bytes);
    if (size == 0 || size > sample.size() || !visit(sample.first(size))) return false;
    sample = sample.subspan(size);
  }
  return sample.empty();
}

// Calls `visit` with each unit of an hvcC record of at least 23 bytes. Returns false at one that is cut.
template <typename Visit>
bool each_unit_of_record(Bytes record, Visit visit) {
  Bytes rest = record.subspan(23);
  for (int array = record[22]; array > 0 && rest.size() >= 3; array--) {
    int units = rest[1] << 8 | rest[2];
    for (rest = rest.subspan(3); units > 0; units--) {
      const std::size_t size = rest.size() < 2 ? 0 : static_cast<std::size_t>(rest[0] << 8 | rest[1]);
      if (rest.size() < 2 || size > rest.size() - 2) return false;
      visit(rest.subspan(2, size));
      rest = rest.subspan(2 + size);
    }
  }
  return true;
}

}  // namespace hwang
