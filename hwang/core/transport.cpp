#include "transport.h"

#include <algorithm>

namespace hwang {

namespace {

constexpr std::size_t buffer_bytes = 1 << 18;

// Returns the place of the payload in a packet, behind a PES header; nothing if they make no sense.
std::optional<std::size_t> payload_place(Bytes packet) {
  const bool has_adaptation = packet[3] & 0x20, has_payload = packet[3] & 0x10, begins_pes = packet[1] & 0x40;
  if (!has_payload) return packet.size();
  std::size_t place = has_adaptation ? std::size_t{5} + packet[4] : 4;
  if (!begins_pes) return place;
  const Bytes header = packet.subspan(std::min(place, packet.size()));
  if (header.size() < 9 || header[0] || header[1] || header[2] != 1) return std::nullopt;
  place += std::size_t{9} + header[8];
  if (place > packet_bytes) return std::nullopt;  // it goes on in the next packet
  return place;
}

}  // namespace

std::optional<Payloads::Piece> Payloads::next(std::uint64_t end) {
  const std::uint64_t stride = transport_.stride;
  for (;;) {
    const std::uint64_t inside = (at_ + stride - transport_.phase) % stride;
    if (inside > at_ || at_ >= end) return std::nullopt;
    const std::uint64_t packet = at_ - inside;
    const Bytes bytes = bytes_at(at_, inside < packet_bytes ? packet_bytes - inside : 0, end);
    std::size_t skipped = 0;
    if (inside == 0) {
      if (bytes.size() < 5 || bytes[0] != 0x47) return std::nullopt;
      const bool is_ours = ((bytes[1] & 0x1fu) << 8 | bytes[2]) == transport_.pid;
      const auto place = is_ours ? payload_place(bytes) : bytes.size();
      if (!place) return std::nullopt;
      skipped = std::min(*place, bytes.size());
    }
    const std::uint64_t offset = at_ + skipped;
    at_ = packet + stride;
    if (skipped < bytes.size()) return Piece{offset, bytes.subspan(skipped)};
  }
}

// Returns the bytes from `offset` on: fewer than `size` at the end.
Bytes Payloads::bytes_at(std::uint64_t offset, std::size_t size, std::uint64_t end) {
  size = std::min<std::uint64_t>(size, end - offset);
  const std::uint64_t buffered = buffer_offset_ + buffer_.size();
  if (offset < buffer_offset_ || offset + size > buffered) {
    buffer_.resize(std::min<std::uint64_t>(buffer_bytes, end - offset));
    buffer_.resize(source_->read(offset, buffer_));
    buffer_offset_ = offset;
  }
  const Bytes bytes(buffer_);
  return bytes.subspan(offset - buffer_offset_,
                       std::min<std::uint64_t>(size, buffer_offset_ + buffer_.size() - offset));
}

}  // namespace hwang
