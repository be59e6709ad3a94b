#pragma once

#include <cstddef>
#include <cstdint>

#include "av.h"

namespace hwang {

// Writes `picture` as packed rgb24 of the same size: the bytes that swscale makes of it with its default flags, if
// chroma lies in the middle and colors are not mapped. Rows of `out` are `row_bytes` apart. Returns false, and leaves
// nothing of use in `out`, unless the picture is planar 4:2:0 or 4:2:2 of 9 to 14 bits with even sides, at least 64 by
// 16, and its samples have no bit beyond its depth.
bool convert_to_rgb24(const AVFrame& picture, std::uint8_t* out, std::ptrdiff_t row_bytes);

}  // namespace hwang
