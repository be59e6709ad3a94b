#include "rgb24.h"

#include <algorithm>
#include <array>

// swscale rounds samples to 8 bits, looks up by how many steps of luma a chroma value shifts red, green and blue, and
// looks the sum up in a table of stretched, clipped luma. The same integers are computed here instead, in loops of
// 16-bit lanes and of a fixed length, which the compiler makes vector code of. docs/decisions/rgb-conversion.md has the
// reasons.

namespace hwang {

namespace {

constexpr int block_width = 64;  // pixels converted at a time
constexpr int taps = 4;

using Sample = std::uint16_t;
using ChromaRows = std::array<const Sample*, taps>;
using Weights = std::array<std::int16_t, taps>;  // in 1/4096

// Chroma lies a quarter of its row above or below luma: Keys' cubic with a = -0.6. Near the top swscale leaves out the
// farthest row.
constexpr Weights unscaled{0, 0, 4096, 0}, top{0, 959, 3473, -336}, above{-115, 985, 3572, -346},
    below{-346, 3572, 985, -115};

// Luma of limited range is stretched by 255/219, and lowered.
constexpr int limited_gain = 65536 * 255 / 219 - 65536;  // beyond 1, in 1/65536
constexpr int limited_lift = 31, limited_drop = 56;      // before and after, for the product to fit 16-bit lanes
constexpr int swscale_offset = 326 * (65536 + limited_gain) - (400 << 16) + 0x8000;

constexpr bool lift_and_drop_equal_offset() {
  for (int sum = -1024; sum <= 1024; sum++) {
    const int lifted = sum + limited_lift;
    const int value = lifted + ((lifted * limited_gain) >> 16) - limited_drop;
    const int swscale_value = (sum * (65536 + limited_gain) + swscale_offset) >> 16;
    if (std::clamp(value, 0, 255) != std::clamp(swscale_value, 0, 255)) return false;
  }
  return true;
}
static_assert(lift_and_drop_equal_offset());

// The steps of luma by which a chroma value shifts a color.
struct Shift {
  std::int16_t whole, base;
  std::uint16_t fraction;

  Shift(std::int64_t slope, int lift)
      : whole(static_cast<std::int16_t>(slope >> 16)), base(static_cast<std::int16_t>(lift - (slope >> 9))),
        fraction(static_cast<std::uint16_t>(slope)) {}
  std::int16_t operator()(Sample chroma) const {
    return static_cast<std::int16_t>(chroma * whole + static_cast<Sample>((std::uint32_t{chroma} * fraction) >> 16) +
                                     base);
  }
};

struct Matrix {
  std::int16_t gain, drop;
  Shift red, green_u, green_v, blue;

  static Matrix of(const AVFrame& picture) {
    const int* coefficients = sws_getCoefficients(picture.colorspace);
    const bool full = picture.color_range == AVCOL_RANGE_JPEG;
    const int gain = full ? 0 : limited_gain, lift = full ? 0 : limited_lift, drop = full ? 0 : limited_drop;
    const auto slope = [&](std::int64_t coefficient) {
      return ((full ? coefficient * 224 / 255 : coefficient) * 65536 + 0x8000) / (65536 + gain);
    };
    return {static_cast<std::int16_t>(gain),     static_cast<std::int16_t>(drop),
            Shift(slope(coefficients[0]), lift), Shift(slope(-coefficients[2]), lift),
            Shift(slope(-coefficients[3]), 0),   Shift(slope(coefficients[1]), lift)};
  }

  std::uint8_t operator()(int luma, std::int16_t shift) const {
    const auto sum = static_cast<std::int16_t>(luma + shift);
    const auto value = static_cast<std::int16_t>(sum + static_cast<std::int16_t>((sum * gain) >> 16) - drop);
    return static_cast<std::uint8_t>(std::clamp<std::int16_t>(value, 0, 255));
  }
};

// Writes chroma between rows, rounded to 8 bits, and returns the bits that any sample has.
[[gnu::always_inline]] inline Sample interpolate(const ChromaRows& rows, const Weights& weights, int from, int depth,
                                                 Sample* __restrict out) {
  Sample bits = 0;
  const int down = depth + 4, half = 1 << (down - 1);
  for (int i = 0; i < block_width / 2; i++) {
    const Sample a = rows[0][from + i], b = rows[1][from + i], c = rows[2][from + i], d = rows[3][from + i];
    const int sum = a * weights[0] + b * weights[1] + c * weights[2] + d * weights[3];
    out[i] = static_cast<Sample>(std::clamp((sum + half) >> down, 0, 255));
    bits |= a | b | c | d;
  }
  return bits;
}

// Converts the pixels of one row from column `from` on, and returns the bits that any sample has.
[[gnu::always_inline]] inline Sample convert_block(const Sample* luma, const ChromaRows& u_rows,
                                                   const ChromaRows& v_rows, const Weights& weights,
                                                   const Matrix& matrix, int from, int depth,
                                                   std::uint8_t* __restrict out) {
  Sample u[block_width / 2], v[block_width / 2];
  std::int16_t red[block_width], green[block_width], blue[block_width];
  std::uint8_t r[block_width], g[block_width], b[block_width];
  Sample bits = interpolate(u_rows, weights, from / 2, depth, u) | interpolate(v_rows, weights, from / 2, depth, v);
  for (int i = 0; i < block_width / 2; i++) {
    red[2 * i] = red[2 * i + 1] = matrix.red(v[i]);
    green[2 * i] = green[2 * i + 1] = static_cast<std::int16_t>(matrix.green_u(u[i]) + matrix.green_v(v[i]));
    blue[2 * i] = blue[2 * i + 1] = matrix.blue(u[i]);
  }
  const int down = depth - 8, half = 1 << (down - 1);
  for (int x = 0; x < block_width; x++) {
    const Sample sample = luma[from + x];
    const auto rounded = static_cast<std::int16_t>(static_cast<Sample>(sample + half) >> down);
    r[x] = matrix(rounded, red[x]);
    g[x] = matrix(rounded, green[x]);
    b[x] = matrix(rounded, blue[x]);
    bits |= sample;
  }
  for (int x = 0; x < block_width; x++) {
    out[3 * x] = r[x];
    out[3 * x + 1] = g[x];
    out[3 * x + 2] = b[x];
  }
  return bits;
}

[[gnu::always_inline]] inline bool convert_rows(const AVFrame& picture, const AVPixFmtDescriptor& format,
                                                std::uint8_t* out, std::ptrdiff_t row_bytes) {
  const Matrix matrix = Matrix::of(picture);
  const int depth = format.comp[0].depth;
  const bool half_rows = format.log2_chroma_h;
  const int last = (picture.height >> format.log2_chroma_h) - 1;
  const auto row = [&](int plane, int y) {
    return reinterpret_cast<const Sample*>(picture.data[plane] + std::ptrdiff_t{y} * picture.linesize[plane]);
  };
  Sample bits = 0;
  for (int y = 0; y < picture.height; y++, out += row_bytes) {
    const Weights& weights = !half_rows ? unscaled : y % 2 ? below : y <= 2 ? top : above;
    ChromaRows u, v;
    for (int i = 0; i < taps; i++) {
      const int chroma_y = half_rows ? std::clamp((y + 1) / 2 - 2 + i, 0, last) : y;
      u[i] = row(1, chroma_y);
      v[i] = row(2, chroma_y);
    }
    for (int x = 0; x < picture.width; x += block_width) {
      const int from = std::min(x, picture.width - block_width);  // the last block overlaps the one before
      bits |= convert_block(row(0, y), u, v, weights, matrix, from, depth, out + 3 * from);
    }
  }
  return bits >> depth == 0;
}

#ifdef __x86_64__
[[gnu::target("avx2")]] bool convert_rows_avx2(const AVFrame& picture, const AVPixFmtDescriptor& format,
                                               std::uint8_t* out, std::ptrdiff_t row_bytes) {
  return convert_rows(picture, format, out, row_bytes);
}
#endif

}  // namespace

bool convert_to_rgb24(const AVFrame& picture, std::uint8_t* out, std::ptrdiff_t row_bytes) {
  const AVPixFmtDescriptor& format = *av_pix_fmt_desc_get(static_cast<AVPixelFormat>(picture.format));
  const AVComponentDescriptor& luma = format.comp[0];
  if (format.flags != AV_PIX_FMT_FLAG_PLANAR || format.nb_components != 3 || luma.step != 2 || luma.shift ||
      luma.depth < 9 || luma.depth > 14 || format.log2_chroma_w != 1 || format.log2_chroma_h > 1 || picture.width % 2 ||
      picture.height % 2 || picture.width < block_width || picture.height < 16 || !sws_test_frame(&picture, 0))
    return false;
#ifdef __x86_64__
  if (__builtin_cpu_supports("avx2")) return convert_rows_avx2(picture, format, out, row_bytes);
#endif
  return convert_rows(picture, format, out, row_bytes);
}

}  // namespace hwang
