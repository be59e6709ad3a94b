#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace hwang {

// The order is that of av_format() in convert.cpp.
enum class PixelFormat { rgb24, bgr24, gray8, rgb48, yuv420p };

struct PlaneSize {
  std::size_t row_bytes;
  std::size_t rows;
  std::size_t bytes() const { return row_bytes * rows; }
};

// Memory layout of a request's pictures: planes without padding.
struct Layout {
  PixelFormat format;
  int width;  // before the turn
  int height;
  bool any_size = false;  // scale pictures of another size than the video's as well
  int turn = 0;           // degrees clockwise: 0, 90, 180, 270
  bool planar = false;    // channels one behind the other

  bool operator==(const Layout&) const = default;
  bool is_rearranged() const { return turn || (planar && channels() > 1); }
  int channels() const { return format == PixelFormat::gray8 || format == PixelFormat::yuv420p ? 1 : 3; }
  int planes() const { return format == PixelFormat::yuv420p ? 3 : 1; }
  int pixel_bytes() const { return channels() * (format == PixelFormat::rgb48 ? 2 : 1); }
  PlaneSize plane(int i) const {
    const int shift = i ? 1 : 0;  // chroma has half the rows and columns, rounded up
    const auto half = [&](int length) { return static_cast<std::size_t>((length + shift) >> shift); };
    return {half(width) * static_cast<std::size_t>(pixel_bytes()), half(height)};
  }
};

using PlanePointers = std::array<std::uint8_t*, 3>;

// Pictures one after another, each plane in an array of its own.
struct Pictures {
  Layout layout;
  PlanePointers first{};

  PlanePointers at(std::size_t slot) const {
    PlanePointers planes{};
    for (int i = 0; i < layout.planes(); i++) planes[i] = first[i] + slot * layout.plane(i).bytes();
    return planes;
  }
};

}  // namespace hwang
