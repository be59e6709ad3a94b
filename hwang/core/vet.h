#pragma once

#include <cstdint>
#include <vector>

#include "container.h"
#include "parameter_sets.h"

namespace hwang {

// Looks for HEVC parameter sets that are refused (parameter_sets.h) in a container, ahead of a demuxer that reads the
// same bytes. libavformat usually runs libavcodec's parsers before it returns a packet: not here, and the bytes that a
// parser would get are checked first.
class Vetting {
 public:
  Vetting(const ByteSource& source, Cancellation* cancellation);

  // Checks all that a demuxer can return of the bytes before `end`; at the end of the source, all there is. Throws
  // Error(Kind::unsupported) if something is refused.
  void reach(std::uint64_t end);

 private:
  // State of one stream.
  struct Watch {
    ParameterSetGuard guard;
    std::vector<std::uint8_t> header;
    bool is_known = false;  // libavformat holds packets back until it knows their codec

    void check_header(const AVStream& stream, bool whole_samples);
  };

  Watch& watch(unsigned stream);
  bool is_caught_up() const;
  bool check_next_packet();

  const ByteSource& source_;
  Container container_;
  std::vector<Watch> watches_;
  PacketPtr packet_;
  std::uint64_t checked_ = 0;  // all packets that end before it
};

}  // namespace hwang
