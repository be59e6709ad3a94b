#include "encode.h"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <unistd.h>

namespace hwang {

namespace {

// Bytes of a moov box: those that do not grow with the pictures, and the most that one picture adds to stts (8), ctts
// (8), stss (4), sdtp (1), stsz (4), stsc (12) and co64 (8).
constexpr std::int64_t moov_bytes = 4096, moov_bytes_a_picture = 45;

// The bytes that x264 writes depend on its number of threads, so that is a constant. Four threads, its lookahead and a
// decoder keep six cores busy, the most that a Lambda function has.
constexpr int encoder_threads = 4;
constexpr const char* encoder_name = "libx264";

class Options {
 public:
  Options() = default;
  Options(const Options&) = delete;
  Options& operator=(const Options&) = delete;
  ~Options() { av_dict_free(&options_); }

  void set(const char* name, const std::string& value) {
    check(av_dict_set(&options_, name, value.c_str(), 0), Kind::limit, "no memory for an option");
  }
  AVDictionary** get() { return &options_; }
  // libav* removes the options that it knows.
  void check_all_taken() const {
    if (const auto* left = av_dict_get(options_, "", nullptr, AV_DICT_IGNORE_SUFFIX))
      throw Error(Kind::unsupported,
                  std::string("the H.264 encoder and the MP4 muxer of this build do not know the option ") + left->key);
  }

 private:
  AVDictionary* options_ = nullptr;
};

CodecPtr encoder_context(const Mp4Settings& settings) {
  const AVCodec* encoder = avcodec_find_encoder_by_name(encoder_name);
  if (!encoder)
    throw Error(Kind::unsupported, "there is no H.264 encoder (libx264) in this build of FFmpeg: use one that has it");
  auto codec = owned<CodecPtr>(avcodec_alloc_context3(encoder));
  codec->width = settings.width;
  codec->height = settings.height;
  codec->pix_fmt = AV_PIX_FMT_YUV420P;
  codec->sample_aspect_ratio = {1, 1};
  codec->framerate = settings.fps;
  codec->time_base = av_inv_q(settings.fps);
  settings.color.set(*codec);
  codec->flags |= AV_CODEC_FLAG_GLOBAL_HEADER | AV_CODEC_FLAG_BITEXACT;
  codec->thread_count = encoder_threads;
  Options options;
  options.set("preset", settings.preset);
  options.set("profile", "high");
  options.set("crf", std::to_string(settings.crf));
  options.set("x264-params", "force-cfr=1:cpu-independent=1");
  check(avcodec_open2(codec.get(), encoder, options.get()), Kind::unsupported,
        "x264 does not encode pictures of " + std::to_string(settings.width) + "x" + std::to_string(settings.height) +
            " pixels with preset " + settings.preset);
  options.check_all_taken();
  return codec;
}

FramePtr picture_for(const AVCodecContext& codec, const Color& color) {
  auto frame = empty_frame(codec.pix_fmt, codec.width, codec.height);
  color.set(*frame);
  frame->duration = 1;
  check(av_frame_get_buffer(frame.get(), 0), Kind::limit, "no memory for a picture");
  return frame;
}

}  // namespace

bool can_encode() { return avcodec_find_encoder_by_name(encoder_name) != nullptr; }

// Writes libavformat's bytes to a file, with a descriptor of its own. A failure is kept and thrown afterwards.
class Mp4Encoder::Output {
 public:
  explicit Output(int descriptor) : descriptor_(fcntl(descriptor, F_DUPFD_CLOEXEC, 0)) {
    if (descriptor_ < 0) throw WriteError(errno);
    auto* buffer = static_cast<std::uint8_t*>(av_malloc(buffer_bytes));
    io = buffer ? avio_alloc_context(buffer, buffer_bytes, 1, this, nullptr, &write, &seek) : nullptr;
    if (!io) {
      av_free(buffer);
      close(descriptor_);
      throw std::bad_alloc();
    }
  }
  Output(const Output&) = delete;
  Output& operator=(const Output&) = delete;
  ~Output() {
    av_freep(&io->buffer);
    avio_context_free(&io);
    close(descriptor_);
  }

  // Empties the file. EINVAL is a device, which has nothing to remove; other mistakes show when bytes are written.
  void empty() {
    if (ftruncate(descriptor_, 0) && errno != EINVAL) throw WriteError(errno);
  }
  void rethrow() const {
    if (failure_) throw WriteError(failure_);
  }

  AVIOContext* io = nullptr;

 private:
  static constexpr int buffer_bytes = 1 << 18;

  static int write(void* self, const std::uint8_t* from, int size) noexcept {
    auto& output = *static_cast<Output*>(self);
    for (int done = 0; done < size;) {
      const ssize_t n = pwrite(output.descriptor_, from + done, static_cast<std::size_t>(size - done),
                               static_cast<off_t>(output.position_));
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) {
        output.failure_ = n < 0 ? errno : EIO;
        return AVERROR(output.failure_);
      }
      done += static_cast<int>(n);
      output.position_ += n;
      output.end_ = std::max(output.end_, output.position_);
    }
    return size;
  }

  static std::int64_t seek(void* self, std::int64_t offset, int whence) noexcept {
    auto& output = *static_cast<Output*>(self);
    if (whence & AVSEEK_SIZE) return output.end_;
    const std::int64_t target = seek_target(offset, whence, output.position_, output.end_);
    if (target >= 0) output.position_ = target;
    return target;
  }

  const int descriptor_;
  std::int64_t position_ = 0, end_ = 0;
  int failure_ = 0;
};

Mp4Encoder::Mp4Encoder(int descriptor, const Mp4Settings& settings)
    : layout(settings.layout()), output_(std::make_unique<Output>(descriptor)), codec_(encoder_context(settings)),
      frame_(picture_for(*codec_, settings.color)), packet_(owned<PacketPtr>(av_packet_alloc())),
      begins_(settings.begins) {
  AVFormatContext* format = nullptr;
  check(avformat_alloc_output_context2(&format, nullptr, "mp4", nullptr), Kind::unsupported,
        "there is no MP4 muxer in this build of FFmpeg: use one that has it");
  format_.reset(format);
  format->pb = output_->io;
  format->flags |= AVFMT_FLAG_CUSTOM_IO | AVFMT_FLAG_BITEXACT;
  format->flush_packets = 0;
  AVStream* stream = avformat_new_stream(format, nullptr);
  if (!stream) throw std::bad_alloc();
  check(avcodec_parameters_from_context(stream->codecpar, codec_.get()), Kind::limit,
        "no memory for the codec's parameters");
  stream->time_base = begins_.empty() ? codec_->time_base : AVRational{1, settings.timescale};
  stream->avg_frame_rate = settings.fps;
  Options options;
  if (!begins_.empty()) options.set("video_track_timescale", std::to_string(settings.timescale));
  options.set("moov_size", std::to_string(moov_bytes + moov_bytes_a_picture * settings.pictures));
  output_->empty();
  const int begun = avformat_write_header(format, options.get());
  output_->rethrow();
  check(begun, Kind::unsupported, "the MP4 cannot be started");
  options.check_all_taken();
}

Mp4Encoder::~Mp4Encoder() = default;

void Mp4Encoder::write(const SourcePlanes& first, std::size_t count, Cancellation& cancellation) {
  for (std::size_t picture = 0; picture < count; picture++) {
    check(av_frame_make_writable(frame_.get()), Kind::limit, "no memory for a picture");
    for (int i = 0; i < layout.planes(); i++) {
      const PlaneSize plane = layout.plane(i);
      const int row_bytes = static_cast<int>(plane.row_bytes);
      av_image_copy_plane(frame_->data[i], frame_->linesize[i], first[i] + picture * plane.bytes(), row_bytes,
                          row_bytes, static_cast<int>(plane.rows));
    }
    frame_->pts = pictures_++;
    check(avcodec_send_frame(codec_.get(), frame_.get()), Kind::unsupported, "x264 does not encode a picture");
    write_packets(cancellation);
  }
}

void Mp4Encoder::finish(Cancellation& cancellation) {
  check(avcodec_send_frame(codec_.get(), nullptr), Kind::unsupported, "x264 cannot be drained");
  write_packets(cancellation);
  const int completed = av_write_trailer(format_.get());
  output_->rethrow();
  check(completed, Kind::unsupported, "the MP4 cannot be completed");
}

// Replaces the encoder's times, in pictures at a constant rate, by those of the file. A picture is decoded when the one
// is shown that stands as many before as the encoder holds back; the first ones as much before the first is shown.
void Mp4Encoder::set_times(AVPacket& packet) {
  if (begins_.empty()) {
    av_packet_rescale_ts(&packet, codec_->time_base, format_->streams[0]->time_base);
    return;
  }
  held_back_ = std::max(held_back_, -packet.dts);
  const auto last = static_cast<std::int64_t>(begins_.size()) - 1;  // the encoder may hold back more than there are
  const auto at = [&](std::int64_t picture) {
    return begins_[static_cast<std::size_t>(std::min(picture, last))] + std::max<std::int64_t>(picture - last, 0);
  };
  packet.duration = at(packet.pts + 1) - at(packet.pts);
  packet.pts = at(packet.pts);
  packet.dts = packet.dts < 0 ? at(packet.dts + held_back_) - at(held_back_) : at(packet.dts);
  // The last one lasts until the end in decode order too.
  if (++coded_ == pictures_) packet.duration = std::max<std::int64_t>(1, at(pictures_) - packet.dts - at(held_back_));
}

// Writes the packets that the encoder has finished.
void Mp4Encoder::write_packets(Cancellation& cancellation) {
  for (;;) {
    cancellation.check();
    const int answer = avcodec_receive_packet(codec_.get(), packet_.get());
    if (answer == AVERROR(EAGAIN) || answer == AVERROR_EOF) return;
    check(answer, Kind::unsupported, "x264 does not encode a picture");
    set_times(*packet_);
    const int written = av_write_frame(format_.get(), packet_.get());
    av_packet_unref(packet_.get());
    output_->rethrow();
    check(written, Kind::unsupported, "a picture cannot be written to the MP4");
  }
}

}  // namespace hwang
