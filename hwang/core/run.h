#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "av.h"
#include "bytes.h"
#include "demux.h"

namespace hwang {

// The sample table of a video, in decode order. The arrays belong to the caller.
struct Table {
  std::span<const std::uint64_t> offset;
  std::span<const std::uint32_t> size;
  std::span<const std::int64_t> pts;
  std::span<const std::uint8_t> sync;
  bool byte_addressable = true;  // else the container has to be read again to get a sample's bytes
};

// Samples to feed to one decoder, in decode order; the first one is where decoding can start.
using Samples = std::span<const std::uint32_t>;

// Takes the bytes of a sample from where the table says they are, or from the container.
class SampleReader {
 public:
  SampleReader(const ByteSource& source, const Table& table);
  // False if the bytes are not there (a truncated file). Throws if the container no longer matches the table.
  bool read(std::uint32_t sample, AVPacket& packet);

 private:
  bool read_range(std::uint32_t sample, AVPacket& packet) const;
  bool read_container(std::uint32_t sample, AVPacket& packet);

  const ByteSource& source_;
  const Table& table_;
  std::unique_ptr<Demuxer> demuxer_;
  std::uint32_t next_in_container_ = 0;
};

// One decoder working through runs. Every packet carries its sample number through the decoder, so that a picture
// is known by what it was made of, never by its place in the output.
class RunDecoder {
 public:
  // threads: of the decoder itself. 1 costs the least CPU; more lets a single run use more cores.
  RunDecoder(const Stream& stream, const Table& table, const ByteSource& source, int threads);

  void start(Samples samples);
  // The next picture in presentation order and the sample it came from; nothing at the end of the run.
  std::optional<std::uint32_t> next(AVFrame& frame);
  // The first sample, in decode order, from which on pictures of this run may be wrong: unreadable or undecodable
  // bytes, or a picture that the decoder itself marked as damaged. One past the last sample if there is none.
  std::uint32_t damaged_from() const { return damaged_from_; }
  std::uint64_t packets_decoded() const { return packets_decoded_; }

 private:
  bool feed();
  void damaged(std::uint32_t sample);

  const Table& table_;
  SampleReader reader_;
  CodecPtr codec_;
  PacketPtr packet_;
  Samples samples_;
  std::size_t fed_ = 0;
  bool packet_pending_ = false;
  bool draining_ = false;
  bool used_ = false;
  int errors_in_a_row_ = 0;
  std::uint32_t damaged_from_ = 0;
  std::uint64_t packets_decoded_ = 0;
};

}  // namespace hwang
