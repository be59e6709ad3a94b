#include "kernels.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace {

constexpr double red_weight = 0.2126, blue_weight = 0.0722, green_weight = 1 - red_weight - blue_weight;
constexpr double luma_gain = 255.0 / 219, chroma_gain = 255.0 / 224;
constexpr double red_of_v = 2 * (1 - red_weight) * chroma_gain, blue_of_u = 2 * (1 - blue_weight) * chroma_gain;
constexpr double green_of_u = 2 * (1 - blue_weight) * blue_weight / green_weight * chroma_gain;
constexpr double green_of_v = 2 * (1 - red_weight) * red_weight / green_weight * chroma_gain;

std::uint8_t rounded(double value) { return static_cast<std::uint8_t>(std::clamp(std::lround(value), 0L, 255L)); }

constexpr int fixed(double value) { return static_cast<int>(value * 65536 + 0.5); }
constexpr int luma_bias = fixed(0.5) - 16 * fixed(luma_gain);

// The chroma rows above and below the middle of luma row y, the nearer one first.
std::pair<int, int> chroma_rows(int y, int height) {
  const int near = y / 2, far = near + (y % 2 ? 1 : -1);
  return {near, std::clamp(far, 0, height / 2 - 1)};
}

// A row of chroma at every pixel, times 8.
__attribute__((target_clones("avx2", "default"))) void interpolate(const std::uint8_t* near, const std::uint8_t* far, int width, std::uint16_t* half,
                                                                    std::uint16_t* out) {
  for (int x = 0; x < width / 2; x++) half[x] = static_cast<std::uint16_t>(3 * near[x] + far[x]);
  half[width / 2] = half[width / 2 - 1];
  for (int x = 0; x < width / 2; x++) {
    out[2 * x] = static_cast<std::uint16_t>(2 * half[x]);
    out[2 * x + 1] = static_cast<std::uint16_t>(half[x] + half[x + 1]);
  }
}

__attribute__((target_clones("avx2", "default"))) void repeat(const std::uint8_t* near, int width, std::uint16_t* out) {
  for (int x = 0; x < width / 2; x++) out[2 * x] = out[2 * x + 1] = static_cast<std::uint16_t>(8 * near[x]);
}

inline std::uint8_t clipped(int value) { return static_cast<std::uint8_t>(std::min(std::max(value >> 16, 0), 255)); }

// u and v are times 8.
__attribute__((target_clones("avx2", "default"))) void convert_row(const std::uint8_t* y, const std::uint16_t* u, const std::uint16_t* v, int width,
                                                                    std::uint8_t* __restrict rgb) {
  constexpr int rv = fixed(red_of_v / 8), gu = fixed(green_of_u / 8), gv = fixed(green_of_v / 8), bu = fixed(blue_of_u / 8), gain = fixed(luma_gain);
  for (int x = 0; x < width; x++) {
    const int luma = gain * y[x] + luma_bias, du = u[x] - 1024, dv = v[x] - 1024;
    rgb[3 * x] = clipped(luma + rv * dv);
    rgb[3 * x + 1] = clipped(luma - gu * du - gv * dv);
    rgb[3 * x + 2] = clipped(luma + bu * du);
  }
}

}  // namespace

void exact(const Picture& picture, std::uint8_t* rgb) {
  const auto at = [&](const std::uint8_t* plane, int x, int near, int far) {
    const auto row = [&](int line) {
      const std::uint8_t* chroma = plane + static_cast<std::ptrdiff_t>(line) * picture.chroma_pitch;
      return x % 2 ? (chroma[x / 2] + chroma[std::min(x / 2 + 1, picture.width / 2 - 1)]) / 2.0 : chroma[x / 2];
    };
    return (3 * row(near) + row(far)) / 4 - 128;
  };
  for (int y = 0; y < picture.height; y++) {
    const auto [near, far] = chroma_rows(y, picture.height);
    for (int x = 0; x < picture.width; x++, rgb += 3) {
      const double luma = (picture.y[static_cast<std::ptrdiff_t>(y) * picture.y_pitch + x] - 16) * luma_gain;
      const double u = at(picture.u, x, near, far), v = at(picture.v, x, near, far);
      rgb[0] = rounded(luma + red_of_v * v);
      rgb[1] = rounded(luma - green_of_u * u - green_of_v * v);
      rgb[2] = rounded(luma + blue_of_u * u);
    }
  }
}

void fixed_point(const Picture& picture, Chroma chroma, std::uint8_t* rgb) {
  const std::size_t width = static_cast<std::size_t>(picture.width);
  std::vector<std::uint16_t> half(width), u(width), v(width);
  for (int y = 0; y < picture.height; y++) {
    const auto [near, far] = chroma_rows(y, picture.height);
    const auto row = [&](const std::uint8_t* plane, int line) { return plane + static_cast<std::ptrdiff_t>(line) * picture.chroma_pitch; };
    for (const auto& [plane, wide] : {std::pair{picture.u, &u}, {picture.v, &v}}) {
      if (chroma == Chroma::interpolated)
        interpolate(row(plane, near), row(plane, far), picture.width, half.data(), wide->data());
      else
        repeat(row(plane, near), picture.width, wide->data());
    }
    convert_row(picture.y + static_cast<std::ptrdiff_t>(y) * picture.y_pitch, u.data(), v.data(), picture.width, rgb + 3 * width * static_cast<std::size_t>(y));
  }
}
