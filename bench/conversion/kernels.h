// YUV 4:2:0 to RGB24 without swscale: in double precision, as the measure, and in integers, as a contender.
#pragma once

#include <cstdint>

struct Picture {
  const std::uint8_t *y, *u, *v;
  int y_pitch, chroma_pitch;
  int width, height;  // even
};

enum class Chroma { nearest, interpolated };

// BT.709 in limited range, chroma sited left as MPEG-2 has it, each value rounded once. Writes rows without gaps.
void exact(const Picture& picture, std::uint8_t* rgb);
// The same in 16.16 fixed point, row by row, for the compiler to vectorise.
void fixed_point(const Picture& picture, Chroma chroma, std::uint8_t* rgb);
