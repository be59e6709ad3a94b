#include "undecoded.h"

#include <array>
#include <cstring>

namespace hwang {

namespace {

// In luma: no 10-bit sample, and hardly ever eight 8-bit samples in a row.
constexpr std::array<std::uint8_t, 8> mark{0x5a, 0xc3, 0x17, 0xe8, 0x91, 0x2c, 0xf6, 0xbd};
constexpr int block = 16;  // the smallest coding tree block, or a macroblock; those of fields are taller
constexpr int inside = 4;  // away from edges that are filtered with a neighbor

// Calls `visit` with each marked place of a luma plane, in bytes from its start, until it returns true.
template <typename Visit>
bool any_place(std::ptrdiff_t row_bytes, int width, int height, int sample_bytes, Visit visit) {
  const int step = width > 640 ? 4 * block : block;  // of large pictures more than a block is missing
  for (int y = inside, other_field = 1; y < height; y += block + other_field, other_field = -other_field)
    for (int x = inside; (x + static_cast<int>(mark.size())) <= width; x += step)
      if (visit(y * row_bytes + x * sample_bytes)) return true;
  return false;
}

int sample_bytes(const AVFrame& picture) {
  return av_pix_fmt_desc_get(static_cast<AVPixelFormat>(picture.format))->comp[0].depth > 8 ? 2 : 1;
}

}  // namespace

int UndecodedParts::get_marked_buffer(AVCodecContext* codec, AVFrame* picture, int flags) noexcept {
  const int result = avcodec_default_get_buffer2(codec, picture, flags);
  if (result < 0 || !picture->buf[0] || picture->data[0] != picture->buf[0]->data) return result;
  any_place(picture->linesize[0], picture->width, picture->height, sample_bytes(*picture), [&](std::ptrdiff_t at) {
    std::memcpy(picture->data[0] + at, mark.data(), mark.size());
    return false;
  });
  return result;
}

bool UndecodedParts::any_in(const AVFrame& picture) {
  if (!picture.buf[0]) return false;
  // Cropping has moved the start; the marks are where they were.
  const std::ptrdiff_t cropped = picture.data[0] - picture.buf[0]->data;
  const int bytes = sample_bytes(picture);
  const int top = static_cast<int>(cropped / picture.linesize[0]);
  const int left = static_cast<int>(cropped % picture.linesize[0]) / bytes;
  return any_place(picture.linesize[0], left + picture.width, top + picture.height, bytes, [&](std::ptrdiff_t at) {
    return std::memcmp(picture.buf[0]->data + at, mark.data(), mark.size()) == 0;
  });
}

}  // namespace hwang
