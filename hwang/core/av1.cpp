#include "av1.h"

#include <algorithm>
#include <cstring>

namespace hwang {

namespace {

enum ObuType {
  sequence_header = 1,
  temporal_delimiter = 2,
  frame_header = 3,
  tile_group = 4,
  metadata = 5,
  frame = 6,
  redundant_frame_header = 7,
  padding = 15
};
enum FrameType { key, inter, intra_only, switching };
constexpr int itu_t_t35 = 4;

// Reads zeros behind the end.
class Bits {
 public:
  explicit Bits(Bytes data) : data_(data) {}
  std::uint32_t read(int count) {
    std::uint32_t value = 0;
    for (; count > 0; count--, at_++)
      value = value << 1 | (at_ < 8 * data_.size() ? data_[at_ / 8] >> (7 - at_ % 8) & 1 : 0);
    return value;
  }
  bool flag() { return read(1); }
  void skip_uvlc() {
    int zeros = 0;
    while (zeros < 32 && !overrun() && !flag()) zeros++;
    read(zeros < 32 ? zeros : 0);
  }
  bool overrun() const { return at_ > 8 * data_.size(); }

 private:
  Bytes data_;
  std::size_t at_ = 0;
};

struct Obu {
  int type;
  Bytes whole, payload;
};

// Takes the first OBU off `data`. Returns nothing if it is cut or damaged.
std::optional<Obu> take_obu(Bytes& data) {
  const std::uint8_t head = data[0];
  std::size_t at = head & 4 ? 2 : 1;  // with an extension
  if (head & 0x80 || at > data.size()) return std::nullopt;
  std::uint64_t size = data.size() - at;
  if (head & 2) {
    size = 0;
    for (int i = 0;; i++) {
      if (i == 8 || at == data.size()) return std::nullopt;
      const std::uint8_t byte = data[at++];
      size |= static_cast<std::uint64_t>(byte & 0x7f) << 7 * i;
      if (!(byte & 0x80)) break;
    }
    if (size > data.size() - at) return std::nullopt;
  }
  const Obu obu{head >> 3 & 15, data.first(at + size), data.subspan(at, size)};
  data = data.subspan(at + size);
  return obu;
}

bool is_known(const Obu& obu) {
  return (obu.type >= sequence_header && obu.type <= redundant_frame_header) || obu.type == padding;
}
bool begins_frame(const Obu& obu) { return obu.type == frame || obu.type == frame_header; }
bool continues_frame(const Obu& obu) { return obu.type == tile_group || obu.type == redundant_frame_header; }
// Returns true for data about the next picture that is shown.
bool describes_picture(const Obu& obu) {
  return obu.type == metadata && !obu.payload.empty() && obu.payload[0] == itu_t_t35;
}

// Returns nothing for streams with layers, and for a header that is cut.
std::optional<Av1Sequence> read_sequence(Bytes payload) {
  Bits bits(payload);
  Av1Sequence sequence;
  bits.read(4);  // profile, still picture
  sequence.reduced = bits.flag();
  if (sequence.reduced) return sequence;
  bool times_are_coded = false;
  int delay_bits = 0;
  if (bits.flag()) {  // timing info
    bits.read(32), bits.read(32);
    times_are_coded = !bits.flag();
    if (!times_are_coded) bits.skip_uvlc();
    sequence.has_decoder_model = bits.flag();
    if (sequence.has_decoder_model) {
      delay_bits = static_cast<int>(bits.read(5)) + 1;
      bits.read(32);
      sequence.removal_time_bits = static_cast<int>(bits.read(5)) + 1;
      const int time_bits = static_cast<int>(bits.read(5)) + 1;
      if (times_are_coded) sequence.presentation_time_bits = time_bits;
    }
  }
  const bool has_display_delays = bits.flag();
  for (int points = static_cast<int>(bits.read(5)) + 1; points > 0; points--) {
    if (bits.read(12)) return std::nullopt;  // layers
    if (bits.read(5) > 7) bits.flag();       // level, tier
    if (sequence.has_decoder_model && bits.flag()) {
      sequence.points_with_decoder_model++;
      bits.read(delay_bits), bits.read(delay_bits), bits.flag();
    }
    if (has_display_delays && bits.flag()) bits.read(4);
  }
  const int width_bits = static_cast<int>(bits.read(4)) + 1, height_bits = static_cast<int>(bits.read(4)) + 1;
  bits.read(width_bits), bits.read(height_bits);
  if (bits.flag()) {  // frame ids
    sequence.delta_frame_id_bits = static_cast<int>(bits.read(4)) + 2;
    sequence.frame_id_bits = sequence.delta_frame_id_bits + static_cast<int>(bits.read(3)) + 1;
  }
  bits.read(7);  // tools
  const bool has_order_hints = bits.flag();
  if (has_order_hints) bits.read(2);
  sequence.chooses_screen_content = bits.flag();
  if (!sequence.chooses_screen_content) sequence.forces_screen_content = bits.flag();
  if (sequence.chooses_screen_content || sequence.forces_screen_content) {
    sequence.chooses_integer_mv = bits.flag();
    if (!sequence.chooses_integer_mv) bits.flag();
  }
  if (has_order_hints) sequence.order_hint_bits = static_cast<int>(bits.read(3)) + 1;
  return bits.overrun() ? std::nullopt : std::optional(sequence);
}

}  // namespace

void Av1Dependencies::clear() {
  sequence_.reset();
  known_ = key_ = 0;
  frames_.clear();
  samples_.clear();
}

void Av1Dependencies::add(Bytes sample, bool wanted) {
  const std::size_t begin = frames_.size();
  const bool understood = !sample.empty() && read_sample(sample, wanted);
  if (!understood) {
    frames_.resize(begin);
    frames_.push_back({.reads = all, .needed = true});
    known_ = 0;
  }
  samples_.push_back({begin, frames_.size(), understood});
}

// A decoder forgets a frame without its tiles in silence, and the slots keep what they had: such a sample is not
// understood.
bool Av1Dependencies::read_sample(Bytes sample, bool wanted) {
  const std::size_t begin = frames_.size();
  bool lacks_tiles = false;
  while (!sample.empty()) {
    const auto obu = take_obu(sample);
    if (!obu || !is_known(*obu) || (continues_frame(*obu) && frames_.size() == begin)) return false;
    if (obu->type == sequence_header && !(sequence_ = read_sequence(obu->payload))) return false;
    if (obu->type == tile_group) lacks_tiles = false;
    if (!begins_frame(*obu)) continue;
    const auto found = read_frame(obu->payload, wanted);
    if (!found || lacks_tiles) return false;
    lacks_tiles = obu->type == frame_header && !found->shows_another;
    frames_.push_back(*found);
  }
  return !lacks_tiles;
}

// Reads a header up to the slots that it names.
std::optional<Av1Dependencies::Frame> Av1Dependencies::read_frame(Bytes header, bool wanted) {
  if (!sequence_) return std::nullopt;
  const Av1Sequence& sequence = *sequence_;
  Bits bits(header);
  if (sequence.reduced) {
    known_ = key_ = all;
    return Frame{.writes = all, .needed = wanted};
  }
  if (bits.flag()) {  // shows a frame that is there
    const Slots slot = static_cast<Slots>(1 << bits.read(3));
    if (bits.overrun() || !(known_ & slot)) return std::nullopt;
    const bool restarts = key_ & slot;
    if (restarts) known_ = key_ = all;
    return Frame{.reads = slot, .writes = restarts ? all : Slots{0}, .needed = wanted, .shows_another = true};
  }
  const auto type = static_cast<FrameType>(bits.read(2));
  const bool is_intra = type == key || type == intra_only;
  const bool shown = bits.flag();
  if (shown) bits.read(sequence.presentation_time_bits);
  if (!shown) bits.flag();  // showable
  const bool resilient = type == switching || (type == key && shown) || bits.flag();
  bits.flag();  // CDF update
  const bool screen_content = sequence.chooses_screen_content ? bits.flag() : sequence.forces_screen_content;
  if (screen_content && sequence.chooses_integer_mv) bits.flag();
  bits.read(sequence.frame_id_bits);
  if (type != switching) bits.flag();  // size
  bits.read(sequence.order_hint_bits);
  if (!is_intra && !resilient) bits.read(3);  // the frame whose contexts are loaded: one of those it reads
  if (sequence.has_decoder_model && bits.flag())
    for (int i = 0; i < sequence.points_with_decoder_model; i++) bits.read(sequence.removal_time_bits);
  Frame found{.needed = shown && wanted};
  found.writes = type == switching || (type == key && shown) ? all : static_cast<Slots>(bits.read(8));
  if (!is_intra) {
    if (resilient)
      for (int i = 0; i < 8; i++) bits.read(sequence.order_hint_bits);
    if (sequence.order_hint_bits && bits.flag()) {
      found.reads = all;  // it names them by their order
    } else {
      for (int i = 0; i < 7; i++) {
        found.reads |= static_cast<Slots>(1 << bits.read(3));
        bits.read(sequence.delta_frame_id_bits);
      }
    }
  }
  if (bits.overrun()) return std::nullopt;
  known_ |= found.writes;
  key_ = static_cast<Slots>(type == key ? key_ | found.writes : key_ & ~found.writes);
  return found;
}

void Av1Dependencies::resolve() {
  Slots needed = 0;
  for (auto frame = frames_.rbegin(); frame != frames_.rend(); ++frame) {
    frame->needed = frame->needed || (frame->writes & needed);
    if (frame->needed) needed = static_cast<Slots>((needed & ~frame->writes) | frame->reads);
  }
}

bool Av1Dependencies::shorten(std::size_t at, AVPacket& packet) const {
  const Sample& sample = samples_.at(at);
  const auto begin = frames_.begin() + static_cast<std::ptrdiff_t>(sample.begin);
  const auto end = frames_.begin() + static_cast<std::ptrdiff_t>(sample.end);
  if (!sample.understood || std::all_of(begin, end, [](const Frame& frame) { return frame.needed; })) return true;
  Bytes rest(packet.data, static_cast<std::size_t>(packet.size));
  std::uint8_t* out = packet.data;
  bool useful = false;
  auto next = begin;
  while (!rest.empty()) {
    const auto obu = take_obu(rest);
    if (!obu) break;
    if (begins_frame(*obu) && next != end) next++;
    const bool of_frame = begins_frame(*obu) || continues_frame(*obu);
    const bool kept = of_frame ? next != begin && std::prev(next)->needed : !describes_picture(*obu);
    if (!kept) continue;
    std::memmove(out, obu->whole.data(), obu->whole.size());
    out += obu->whole.size();
    useful = useful || (obu->type != temporal_delimiter && obu->type != padding);
  }
  av_shrink_packet(&packet, static_cast<int>(out - packet.data));
  return useful;
}

}  // namespace hwang
