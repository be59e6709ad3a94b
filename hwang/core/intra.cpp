#include "intra.h"

#include <algorithm>
#include <array>
#include <string_view>

namespace hwang {

namespace {

constexpr std::array<std::string_view, 17> inventing_decoders{
    "flv1",  "gif",    "h263", "mpeg1video", "mpeg2video", "mpeg4", "msmpeg4v1", "msmpeg4v2", "msmpeg4v3",
    "qtrle", "theora", "vc1",  "vp3",        "vp9",        "wmv1",  "wmv2",      "wmv3"};

// Follows the runs of one sample of QuickTime Animation.
class Drawing {
 public:
  Drawing(Bytes sample, int depth, int width)
      : rest_(sample), width_(width), unit_bytes_(depth == 1 || depth == 16 ? 2
                                                  : depth == 24             ? 3
                                                                            : 4),
        unit_pixels_(depth == 1 || depth == 2 ? 16
                     : depth == 4             ? 8
                     : depth == 8             ? 4
                                              : 1) {}

  // Returns true if the header is one of a whole picture.
  bool begins(int height) {
    skip(4);  // size
    if (!(take(2) & 8)) return !cut_;
    const int first_line = take(2);
    skip(2);
    const int lines = take(2);
    skip(2);
    return !cut_ && first_line == 0 && lines == height;
  }

  // Returns true if the next line of a picture of more than one bit a pixel is drawn from end to end.
  bool line() {
    int x = 0;
    if (take(1) != 1) return false;  // it jumps
    for (int code; (code = take(1)) != 255 && !cut_;) {
      if (code == 0 && take(1) != 1) return false;
      if (code) x += draw(code);
    }
    return ends_at(x);
  }

  // The same for all lines of a picture of one bit a pixel.
  bool lines_of_bits(int height) {
    int x = 0, y = -1;
    for (int jump, code; (jump = take(1), code = take(1)) != 0 && !cut_;) {
      if (jump & 0x7f) return false;
      if (y < 0 && !(jump & 0x80)) return false;
      if (jump & 0x80) {
        if (y >= 0 && !ends_at(x)) return false;
        if (++y == height) return true;
        x = 0;
      }
      if (code != 255) x += draw(code);
    }
    return y == height - 1 && ends_at(x);
  }

 private:
  int draw(int code) {
    const int units = code < 128 ? code : 256 - code;
    skip(static_cast<std::size_t>(code < 128 ? units : 1) * static_cast<std::size_t>(unit_bytes_));
    return units * unit_pixels_;
  }
  bool ends_at(int x) const { return !cut_ && x >= width_ && x < width_ + unit_pixels_; }
  void skip(std::size_t bytes) {
    cut_ = cut_ || bytes > rest_.size();
    rest_ = rest_.subspan(std::min(bytes, rest_.size()));
  }
  int take(std::size_t bytes) {
    int number = 0;
    for (std::size_t i = 0; i < bytes && i < rest_.size(); i++) number = number << 8 | rest_[i];
    skip(bytes);
    return number;
  }

  Bytes rest_;
  const int width_, unit_bytes_, unit_pixels_;
  bool cut_ = false;
};

// The first bits of a sample, zeros behind its end.
class FirstBits {
 public:
  explicit FirstBits(Bytes sample) {
    for (std::size_t i = 0; i < 8; i++) bits_ = bits_ << 8 | (i < sample.size() ? sample[i] : 0);
  }
  int at(int from, int count) const { return static_cast<int>(bits_ << from >> (64 - count)); }

 private:
  std::uint64_t bits_ = 0;
};

// ITU-T H.263, 5.1.3 and 5.1.4.
bool is_intra_h263(const FirstBits& bits) {
  if (bits.at(35, 3) != 7) return bits.at(38, 1) == 0;
  const bool has_options = bits.at(38, 3) == 1;
  return bits.at(has_options ? 59 : 41, 3) == 0;
}

// SMPTE 421M, 7.1.1, of a sample without start codes.
bool is_intra_vc1(const FirstBits& bits, bool interlaced) {
  if (interlaced && bits.at(0, 2) == 3) return bits.at(2, 2) == 0;  // two fields, of which the first is intra
  const int type = !interlaced ? 0 : bits.at(0, 1) ? 2 : 1;
  return bits.at(type, 3) == 6;
}

}  // namespace

IntraCheck::IntraCheck(const Stream& stream)
    : needed_(std::find(inventing_decoders.begin(), inventing_decoders.end(), stream.codec) !=
              inventing_decoders.end()),
      codec_(stream.codec == "h263"    ? Codec::h263
             : stream.codec == "qtrle" ? Codec::qtrle
             : stream.codec == "vc1"   ? Codec::vc1
             : stream.codec == "vp9"   ? Codec::vp9
                                       : Codec::other),
      depth_(stream.bits_per_coded_sample & 31), width_(stream.coded_width), height_(stream.coded_height) {
  if (depth_ == 0) depth_ = stream.bits_per_coded_sample;  // 32 bits; the sixth bit of fewer means shades of gray
  static constexpr std::array<std::uint8_t, 4> sequence{0, 0, 1, 0x0f};
  const Bytes header(stream.extradata);
  const auto at = std::search(header.begin(), header.end(), sequence.begin(), sequence.end());
  if (codec_ == Codec::vc1 && header.end() - at >= 12) interlaced_ = at[9] & 0x40;
}

bool IntraCheck::is_key(const AVPacket& packet) const {
  const Bytes sample(packet.data, packet.data ? static_cast<std::size_t>(packet.size) : 0);
  const FirstBits bits(sample);
  if (codec_ == Codec::h263) return is_intra_h263(bits);
  if (codec_ == Codec::vc1 && bits.at(0, 24) != 1) return is_intra_vc1(bits, interlaced_);
  return packet.flags & AV_PKT_FLAG_KEY;
}

bool IntraCheck::is_intra(Bytes sample) const {
  if (codec_ == Codec::vp9) {
    const int profile_3 = !sample.empty() && (sample[0] & 0x30) == 0x30;  // its header has a bit more
    return !sample.empty() && !(sample[0] >> (2 - profile_3) & 3);        // neither a repetition nor an inter frame
  }
  if (codec_ != Codec::qtrle) return false;
  Drawing drawing(sample, depth_, width_);
  if (!drawing.begins(height_)) return false;
  if (depth_ == 1) return drawing.lines_of_bits(height_);
  for (int y = 0; y < height_; y++)
    if (!drawing.line()) return false;
  return true;
}

}  // namespace hwang
