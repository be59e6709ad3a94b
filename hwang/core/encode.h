#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "av.h"
#include "pixels.h"
#include "stop.h"

namespace hwang {

// Properties of an MP4 to write.
struct Mp4Settings {
  int width;  // pixels, even
  int height;
  AVRational fps;
  std::int64_t pictures;  // at most
  int crf;                // 1 is the best quality, 51 the worst
  std::string preset;     // x264's name of a speed
  Color color;
  int timescale;                     // ticks per second of `begins`
  std::vector<std::int64_t> begins;  // when each picture is shown, and the end of the last; empty for a constant rate

  Layout layout() const { return {PixelFormat::yuv420p, width, height}; }
};

// Returns whether this build of FFmpeg has the encoder.
bool can_encode();

// Planes without padding of pictures that are only read.
using SourcePlanes = std::array<const std::uint8_t*, 3>;

// Writes an MP4 of H.264 with its index in front, from the beginning of a file. The bytes depend on the pictures and
// the settings. An object that threw can only be destroyed.
class Mp4Encoder {
 public:
  // The caller may close its descriptor afterwards.
  Mp4Encoder(int descriptor, const Mp4Settings& settings);
  ~Mp4Encoder();
  Mp4Encoder(const Mp4Encoder&) = delete;
  Mp4Encoder& operator=(const Mp4Encoder&) = delete;

  // Appends `count` pictures, which lie one after another in each plane: in all no more than announced.
  void write(const SourcePlanes& first, std::size_t count, Cancellation& cancellation);
  // Completes the file.
  void finish(Cancellation& cancellation);

  const Layout layout;

 private:
  class Output;

  void write_packets(Cancellation& cancellation);
  void set_times(AVPacket& packet);

  std::unique_ptr<Output> output_;
  OutputPtr format_;
  CodecPtr codec_;
  FramePtr frame_;
  PacketPtr packet_;
  std::vector<std::int64_t> begins_;
  std::int64_t pictures_ = 0, coded_ = 0, held_back_ = 0;
};

}  // namespace hwang
