#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "av.h"
#include "av1.h"
#include "bytes.h"
#include "decoder_log.h"
#include "demux.h"
#include "intra.h"
#include "parameter_sets.h"
#include "quirks.h"
#include "reference.h"
#include "sets_in_force.h"
#include "stop.h"

namespace hwang {

// The sample table of a video, in decode order. The arrays belong to the caller.
struct Table {
  std::span<const std::uint64_t> offset;
  std::span<const std::uint32_t> size;
  std::span<const std::int64_t> pts;
  std::span<const std::uint8_t> sync;
  std::vector<BytesFrom> configurations;  // beside the stream's header: other headers, from these samples on
  std::vector<BytesFrom> parameter_sets;  // in force from these samples on, if they are others than the header's
  bool byte_addressable = true;           // a sample is one piece of the file
  Transport transport;                    // or it is cut to payloads of MPEG-TS

  // Else the container has to be read again to get a sample's bytes.
  bool is_ranged() const { return byte_addressable || transport.stride; }
};

// Sample numbers, ascending: decode order.
using Samples = std::span<const std::uint32_t>;

// Work for one decoder. The first of the samples to feed is where decoding can start; those wanted are among them.
struct Run {
  Samples samples;
  Samples wanted;
  std::span<const std::int64_t> slot;  // the place of each wanted picture in the output
};

// Where a request gets its bytes from, and which samples it may ignore.
struct Feed {
  std::shared_ptr<const ByteSource> source;
  bool skip_unreferenced;  // samples that nobody wants and no other picture needs
};

// How to decode damaged video.
enum class Care {
  none,     // as fast as possible: pictures behind the first sign of damage, or of doubt, are suspect
  full,     // one thread, and every sample; decides finally whether a picture is sound
  order,    // nothing is refused: the pictures that come out are those of the ffmpeg tool, exact or not
  witness,  // like full, but pictures are delivered whatever is known of them: another decode shall equal this one
};

// Reads a sample from its range of the file, or from the container.
class SampleReader {
 public:
  // `palette` is in force until a sample brings another; empty if there is none.
  explicit SampleReader(const Table& table, Bytes palette = {})
      : table_(table), first_palette_(palette.begin(), palette.end()), palette_(first_palette_) {}
  void use(std::shared_ptr<const ByteSource> source);
  // Releases bytes that were fetched for one request.
  void rest();
  // Returns false if the bytes are missing (a truncated file). Throws if the container no longer matches the table.
  bool read(std::uint32_t sample, AVPacket& packet);

 private:
  bool read_range(std::uint32_t sample, AVPacket& packet) const;
  std::size_t read_payloads(std::uint32_t sample, std::span<std::uint8_t> into) const;
  bool read_container(std::uint32_t sample, AVPacket& packet);
  void note_palette(const AVPacket& packet);

  const Table& table_;
  const std::vector<std::uint8_t> first_palette_;
  std::vector<std::uint8_t> palette_;
  std::shared_ptr<const ByteSource> source_;
  std::unique_ptr<Demuxer> demuxer_;
  std::uint32_t next_in_container_ = 0;
};

// Decodes runs with one decoder. Every packet carries its sample number through the decoder, so that a picture is
// identified by its sample, never by its place in the output.
class RunDecoder {
 public:
  // threads: number inside the decoder. 1 needs the least CPU; with more, a single run uses more cores.
  // With care it goes on behind errors that the decoder can conceal; the decoder marks pictures with errors that it
  // cannot. Only one thread does so reliably: with several, libavcodec reads the marks while they are being set.
  RunDecoder(const Stream& stream, const Table& table, int threads, Care care);

  void start(const Run& run, const Feed& feed);
  // Ends a run early: the decoder's threads are at rest, and it holds no pictures.
  void rest();
  // Decodes the next picture in presentation order and returns its sample; nothing at the end of the run.
  std::optional<std::uint32_t> next(AVFrame& frame, Cancellation& cancellation);
  // Pictures that come out from now on may be wrong from this sample on, in decode order. One past the last sample if
  // no error was found.
  std::uint32_t suspect_from() const { return std::min(suspect_from_, damaged_from_); }
  // The first sample known to be damaged: unreadable, or marked by the decoder. Pictures that came out before may be
  // wrong too.
  std::uint32_t damaged_from() const { return damaged_from_; }
  // Something was amiss that need not touch the pictures: the decoder's log has an error, the container a gap.
  bool is_doubtful() const { return doubtful_; }
  bool saw_errors() const { return doubtful_ || suspect_from() < table_.pts.size(); }
  // False for a picture that may refer to one before the run, as no intra picture came before it.
  bool is_founded(std::uint32_t sample) const {
    if (is_leading(sample)) return leads_video_;
    return intra_ && sample >= *intra_ && table_.pts[sample] >= table_.pts[*intra_];
  }
  // Counters of the current run.
  std::uint64_t samples_decoded() const { return handed_over_.size(); }
  std::uint64_t samples_skipped() const { return skipped_; }

 private:
  void open();
  void guard();
  bool feed(Cancellation& cancellation);
  bool take_next_sample(Cancellation& cancellation);
  void configure(std::uint32_t sample);
  bool is_wanted(std::uint32_t sample);
  bool is_needed(std::uint32_t sample);
  void find_dependencies(Cancellation& cancellation);
  void damaged(std::uint32_t sample) { lower(damaged_from_, sample); }
  void suspect_last();
  void suspect(std::uint32_t sample) { lower(suspect_from_, sample); }
  void lower(std::uint32_t& from, std::uint32_t sample);
  // True for a picture that is shown before the first one of the run, although it is decoded later.
  bool is_leading(std::uint32_t sample) const { return table_.pts[sample] < table_.pts[run_.samples.front()]; }

  const Stream& stream_;
  const Table& table_;
  const int threads_;
  const Care care_;
  Quirks quirks_;
  SampleReader reader_;
  References references_;
  Av1Dependencies dependencies_;  // of the run, if it is AV1
  const IntraCheck intra_check_;
  DecoderLog log_;
  ParameterSetGuard guard_;
  CodecPtr codec_;
  PacketPtr packet_;
  Run run_;
  bool skip_unreferenced_ = false;
  std::size_t fed_ = 0;
  std::size_t wanted_ = 0;  // those before it are fed
  bool packet_pending_ = false;
  bool draining_ = false;
  bool used_ = false, flushed_ = false;
  int strictness_ = 0;                        // flags of AV_EF_
  const BytesFrom* configuration_ = nullptr;  // none: the stream's header
  int errors_in_a_row_ = 0;
  std::uint32_t damaged_from_ = 0, suspect_from_ = 0;
  bool doubtful_ = false;
  bool leads_video_ = false;            // leading pictures are what the ffmpeg tool shows of them
  std::optional<std::uint32_t> intra_;  // the first sample that is known to refer to no other
  std::vector<std::uint32_t> handed_over_;
  std::uint64_t skipped_ = 0;
};

}  // namespace hwang
