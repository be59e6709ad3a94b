#pragma once

#include <climits>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "av.h"
#include "bytes.h"
#include "container.h"
#include "stop.h"
#include "transport.h"
#include "vet.h"

namespace hwang {

// Pixels to cut off from each side of a decoded picture, according to the container.
struct Cropping {
  int left = 0, top = 0, right = 0, bottom = 0;
  bool operator==(const Cropping&) const = default;
};

// Properties of a video stream that a decoder needs before the first sample.
struct Stream {
  std::string codec;  // FFmpeg's name of the codec: "h264", "hevc", …
  std::uint32_t codec_tag = 0;
  std::vector<std::uint8_t> extradata;
  int width = 0;  // of the pictures that are returned: cropped
  int height = 0;
  Cropping cropping;
  int coded_width = 0;  // before cropping, according to the container
  int coded_height = 0;
  int bits_per_coded_sample = 0;
  int reorder = 0;  // pictures that the decoder has to hold back to show them in order, if the container knows
  int field_order = AV_FIELD_UNKNOWN;
  Color color;  // used if the bitstream itself does not state its colors
};

// Returns a decoder for the stream, not opened yet.
CodecPtr decoder_context(const Stream& stream);

// Parameter sets or a codec configuration that hold from a sample on, in decode order.
struct BytesFrom {
  std::uint32_t sample;
  std::vector<std::uint8_t> bytes;
};

// A container that FFmpeg reads, and its first video stream (cover pictures apart), sample by sample in decode order.
class Demuxer {
 public:
  // HEVC parameter sets that are refused are found before libavcodec sees them, and thrown by any function. Opening a
  // container may decode a few pictures: none of more than `max_pixels`.
  explicit Demuxer(const ByteSource& source, std::int64_t max_pixels = INT_MAX, Cancellation* cancellation = nullptr);

  // Reads the next sample of the stream; returns false at the end. A damaged container ends where it becomes
  // unreadable.
  bool next(AVPacket& packet);
  // Returns the codec parameters; probe() finds those that only decoding shows (the size in MPEG-TS).
  Stream stream();
  void probe();

  AVRational time_base() const;
  std::string container() const;
  bool clockless() const;                  // a raw stream: the container states no times
  AVRational sample_aspect_ratio() const;  // 0 if unknown
  std::int64_t duration() const;           // in ticks of time_base, 0 if unknown
  Transport transport() const;             // of MPEG-TS, without what is known of samples

 private:
  std::unique_ptr<Vetting> vetting_;  // none if the source is vetted
  std::unique_ptr<Container> container_;
  AVStream* stream_ = nullptr;
  const std::int64_t max_pixels_;
  bool probed_ = false;
};

// Finds H.264 samples that are the second field of a frame whose first field is the sample before.
class FieldPairs {
 public:
  explicit FieldPairs(const Stream& stream);
  bool is_second(const AVPacket& packet);

 private:
  ParserPtr parser_;  // none for other codecs
  CodecPtr codec_;
  AVPictureStructure waiting_ = AV_PICTURE_STRUCTURE_UNKNOWN;  // a first field without its second
};

// Finds pictures that are shown before others which precede them in decode order, by what samples state.
class Reordering {
 public:
  explicit Reordering(const Stream& stream);
  bool is_shown_earlier(const AVPacket& packet);

 private:
  ParserPtr parser_;  // none for codecs that have no such pictures
  CodecPtr codec_;
  int last_ = INT_MIN;  // the highest number in presentation order since the last key frame
};

// One row a sample, in decode order.
struct Scan {
  Stream stream;
  std::string container;
  bool clockless;
  AVRational time_base;
  AVRational sample_aspect_ratio;
  std::int64_t duration;
  std::vector<std::uint64_t> offset;
  std::vector<std::uint32_t> size;
  std::vector<std::int64_t> pts;  // AV_NOPTS_VALUE where the container has none
  std::vector<std::int64_t> dts;
  std::vector<std::uint8_t> sync, disposable, hidden, second_field;
  std::vector<BytesFrom> configurations;  // other headers, from the samples on that bring them
  std::vector<BytesFrom> parameter_sets;  // those in force, from each sample on at which they change
  bool byte_addressable = true;           // every sample lies in the file in one piece, at its offset
  Transport transport;                    // every sample lies in payloads of MPEG-TS, from its offset on
};

// Reads a whole container without decoding a picture.
Scan scan(const ByteSource& source, std::int64_t max_pixels, Cancellation& cancellation);

}  // namespace hwang
