#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "av.h"
#include "units.h"

namespace hwang {

// Fields of an AV1 sequence header that say how frame headers are to be read.
struct Av1Sequence {
  bool reduced = false;  // still pictures: all of them are key frames
  bool has_decoder_model = false;
  int points_with_decoder_model = 0;
  int presentation_time_bits = 0;  // in front of what is shown; 0 where there is none
  int removal_time_bits = 0;
  int frame_id_bits = 0;  // 0 where frames have no ids
  int delta_frame_id_bits = 0;
  int order_hint_bits = 0;
  bool chooses_screen_content = true, forces_screen_content = false;
  bool chooses_integer_mv = true;
};

// Finds the frames of a run that its wanted pictures depend on, by the frames' headers alone: each names the slots that
// it reads and those that it writes. The others, hidden ones too, can be left out. What is not understood is kept, with
// all that it may depend on. AV1 specification, 5.5 and 5.9.
class Av1Dependencies {
 public:
  // Begins a run.
  void clear();
  // Adds the run's next sample in decode order; empty if its bytes are missing.
  void add(Bytes sample, bool wanted);
  // Called once all samples are added.
  void resolve();
  // Removes the frames that are not needed from the run's sample number `at`. Returns false if nothing is left.
  bool shorten(std::size_t at, AVPacket& packet) const;

 private:
  using Slots = std::uint8_t;  // a bit for each of the eight
  static constexpr Slots all = 0xff;
  struct Frame {
    Slots reads = 0, writes = 0;
    bool needed = false;  // until resolve(): whatever follows
    bool shows_another = false;
  };
  struct Sample {
    std::size_t begin, end;  // of its frames
    bool understood;
  };

  bool read_sample(Bytes sample, bool wanted);
  std::optional<Frame> read_frame(Bytes header, bool wanted);

  std::optional<Av1Sequence> sequence_;
  Slots known_ = 0, key_ = 0;  // slots whose frame's type is known, and is key
  std::vector<Frame> frames_;
  std::vector<Sample> samples_;
};

}  // namespace hwang
