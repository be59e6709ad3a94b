#include "arrange.h"

#include <algorithm>

namespace hwang {

namespace {

constexpr std::ptrdiff_t tile = 32;  // pixels: a tile of the source and one of the target fit the first-level cache

// Target and source in pixels: the source's pixel for row y, column x of the target is first + y * down + x * right.
struct Walk {
  std::ptrdiff_t rows, columns, first, down, right;
};

Walk walk(int turn, std::ptrdiff_t height, std::ptrdiff_t width) {
  switch (turn) {
    case 90: return {width, height, (height - 1) * width, 1, -width};
    case 180: return {height, width, height * width - 1, -width, -1};
    case 270: return {width, height, width - 1, -1, width};
    default: return {height, width, 0, width, 1};
  }
}

// next_pixel, next_channel: steps in the target.
template <typename Element, int channels>
void copy(const Walk& walk, const Element* from, Element* to, std::ptrdiff_t next_pixel, std::ptrdiff_t next_channel) {
  for (std::ptrdiff_t top = 0; top < walk.rows; top += tile)
    for (std::ptrdiff_t left = 0; left < walk.columns; left += tile)
      for (std::ptrdiff_t y = top; y < std::min(top + tile, walk.rows); y++) {
        const Element* source = from + (walk.first + y * walk.down + left * walk.right) * channels;
        Element* target = to + (y * walk.columns + left) * next_pixel;
        for (std::ptrdiff_t x = left; x < std::min(left + tile, walk.columns); x++) {
          for (int channel = 0; channel < channels; channel++) target[channel * next_channel] = source[channel];
          source += walk.right * channels;
          target += next_pixel;
        }
      }
}

template <typename Element, int channels>
void copy(const Layout& layout, const Walk& walk, const std::uint8_t* from, std::uint8_t* to) {
  const auto* source = reinterpret_cast<const Element*>(from);
  auto* target = reinterpret_cast<Element*>(to);
  if (layout.planar)
    copy<Element, channels>(walk, source, target, 1, walk.rows * walk.columns);
  else
    copy<Element, channels>(walk, source, target, channels, 1);
}

}  // namespace

void arrange(const Layout& layout, int plane, const std::uint8_t* from, std::uint8_t* to) {
  const PlaneSize size = layout.plane(plane);
  const auto width = static_cast<std::ptrdiff_t>(size.row_bytes) / layout.pixel_bytes();
  const Walk steps = walk(layout.turn, static_cast<std::ptrdiff_t>(size.rows), width);
  if (layout.format == PixelFormat::rgb48)
    copy<std::uint16_t, 3>(layout, steps, from, to);
  else if (layout.channels() == 3)
    copy<std::uint8_t, 3>(layout, steps, from, to);
  else
    copy<std::uint8_t, 1>(layout, steps, from, to);
}

}  // namespace hwang
