#pragma once

#include <optional>
#include <string>

#include "run.h"

namespace hwang {

// Properties of a video that its pictures state.
struct PictureFacts {
  int width, height;         // before the container's cropping
  std::string pixel_format;  // FFmpeg's name
  int bit_depth;
  AVRational sample_aspect_ratio;  // 0 if unknown
  Color color;
};

// Decodes the first picture of a run that comes out; nothing if none does.
std::optional<PictureFacts> picture_facts(const Stream& stream, const Table& table, const Run& run, const Feed& feed,
                                          Cancellation& cancellation);

}  // namespace hwang
