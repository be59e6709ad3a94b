#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "bytes.h"
#include "units.h"

namespace hwang {

constexpr std::size_t packet_bytes = 188;  // of MPEG-TS

// How the samples of a video lie in MPEG-TS: one after the other, in the payloads of the packets of one PID.
struct Transport {
  std::uint32_t stride = 0;  // from one packet to the next: packet_bytes and what stands around them; 0: none
  std::uint32_t phase = 0;   // places of the packets' first bytes in the file, modulo the stride
  std::uint32_t pid = 0;
  std::uint64_t end = 0;  // of the last sample
};

// Reads the payloads of one PID, without the headers of the PES packets in them.
class Payloads {
 public:
  struct Piece {
    std::uint64_t offset;  // in the file
    Bytes bytes;
  };

  Payloads(const ByteSource& source, const Transport& transport) : source_(&source), transport_(transport) {}

  // Goes on at a byte of a payload, or at the first byte of a packet.
  void seek(std::uint64_t offset) { at_ = offset; }
  // Returns the next piece before `end`, valid until the next call; nothing at the end, or if packets are damaged.
  std::optional<Piece> next(std::uint64_t end);

 private:
  Bytes bytes_at(std::uint64_t offset, std::size_t size, std::uint64_t end);

  const ByteSource* source_;
  Transport transport_;
  std::uint64_t at_ = 0;
  std::vector<std::uint8_t> buffer_;
  std::uint64_t buffer_offset_ = 0;
};

}  // namespace hwang
