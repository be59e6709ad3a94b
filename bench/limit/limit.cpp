// Frames of a video with nothing done that they do not need: how fast can sparse frames be had from these libraries?
// A C interface for bench/contenders/limit.py, which says what to decode.
extern "C" {
#include <libavcodec/avcodec.h>
#include <libswscale/swscale.h>
}

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <exception>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace {

template <auto free_object>
struct Free {
  template <typename T>
  void operator()(T* object) const {
    free_object(&object);
  }
};

using Packet = std::unique_ptr<AVPacket, Free<av_packet_free>>;
using Frame = std::unique_ptr<AVFrame, Free<av_frame_free>>;
using Decoder = std::unique_ptr<AVCodecContext, Free<avcodec_free_context>>;
using Scaler = std::unique_ptr<SwsContext, Free<sws_free_context>>;

int check(int result, const char* what) {
  if (result < 0) throw std::runtime_error(std::string(what) + " failed");
  return result;
}

// These three are rows of int64 arrays.
struct Sample {
  std::int64_t position, size;  // in the file
  std::int64_t pts;
  std::int64_t sync;
};

struct Wanted {
  std::int64_t pts;
  std::int64_t place;  // in the answer
};

// A group of pictures from its start up to the last one wanted: parts of the samples, in decoding order, and of what is
// wanted, by pts.
struct Group {
  std::int64_t first_sample, end_sample;
  std::int64_t first_wanted, end_wanted;
};

struct Video {
  int file;
  const char* codec;
  const std::uint8_t* extradata;
  int extradata_size;
  const Sample* samples;
  const Wanted* wanted;
  const Group* groups;
  int group_count;
};

struct Output {
  std::uint8_t* first;  // frame i begins i pitches behind: RGB24 rows without gaps, then slack for whole vectors
  std::int64_t pitch;
  int width, height;
};

class Worker {
 public:
  Worker(const Video& video, const Output& output, int threads) : video_(video), output_(output) {
    const AVCodecDescriptor* descriptor = avcodec_descriptor_get_by_name(video.codec);
    if (!descriptor) throw std::runtime_error(std::string(video.codec) + " is unknown");
    decoder_.reset(avcodec_alloc_context3(avcodec_find_decoder(descriptor->id)));
    decoder_->extradata = static_cast<std::uint8_t*>(av_mallocz(video.extradata_size + AV_INPUT_BUFFER_PADDING_SIZE));
    std::memcpy(decoder_->extradata, video.extradata, video.extradata_size);
    decoder_->extradata_size = video.extradata_size;
    decoder_->thread_count = threads;
    decoder_->thread_type = FF_THREAD_FRAME;
    check(avcodec_open2(decoder_.get(), nullptr, nullptr), "opening the decoder");
    scaler_->threads = 1;
    target_->format = AV_PIX_FMT_RGB24;
    target_->width = output.width;
    target_->height = output.height;
    target_->linesize[0] = output.width * 3;
    target_->colorspace = AVCOL_SPC_RGB;
    target_->color_range = AVCOL_RANGE_JPEG;
  }

  void decode(const Group& group) {
    const Wanted *const first = video_.wanted + group.first_wanted, *const end = video_.wanted + group.end_wanted;
    left_ = end - first;
    for (std::int64_t i = group.first_sample; i < group.end_sample; i++) {
      read(video_.samples[i]);
      if (at(first, end, packet_->pts) == end && is_disposable()) continue;
      send(first, end, packet_.get());
      receive(first, end);
    }
    if (left_) {
      send(first, end, nullptr);
      receive(first, end);
    }
    avcodec_flush_buffers(decoder_.get());
    if (left_) throw std::runtime_error("a frame did not come");
  }

 private:
  // The first of what is wanted at this time; `end` if nothing is.
  static const Wanted* at(const Wanted* first, const Wanted* end, std::int64_t pts) {
    const auto earlier = [](const Wanted& wanted, std::int64_t time) { return wanted.pts < time; };
    const Wanted* found = std::lower_bound(first, end, pts, earlier);
    return found != end && found->pts == pts ? found : end;
  }

  void read(const Sample& sample) {
    av_packet_unref(packet_.get());
    check(av_new_packet(packet_.get(), static_cast<int>(sample.size)), "allocating a sample");
    if (pread(video_.file, packet_->data, sample.size, sample.position) != sample.size)
      throw std::runtime_error("reading a sample failed");
    packet_->pts = sample.pts;
    packet_->flags = sample.sync ? AV_PKT_FLAG_KEY : 0;
  }

  // True if no other picture refers to that of the sample, by its NAL units (H.264 and HEVC of MP4, in one temporal
  // layer).
  bool is_disposable() const {
    const bool h264 = decoder_->codec_id == AV_CODEC_ID_H264, hevc = decoder_->codec_id == AV_CODEC_ID_HEVC;
    const int length_at = h264 ? 4 : 21;
    if ((!h264 && !hevc) || video_.extradata_size <= length_at || video_.extradata[0] != 1) return false;
    const int prefix = (video_.extradata[length_at] & 3) + 1;
    bool picture = false;
    const std::uint8_t *at = packet_->data, *const end = at + packet_->size;
    while (end - at > prefix) {
      std::int64_t length = 0;
      for (int i = 0; i < prefix; i++) length = length << 8 | *at++;
      if (length < 2 || length > end - at) return false;
      const int type = h264 ? at[0] & 31 : at[0] >> 1 & 63;
      const bool slice = h264 ? type >= 1 && type <= 5 : type < 32;
      if (slice && (h264 ? (at[0] & 0x60) != 0 : type >= 16 || type % 2)) return false;
      picture |= slice;
      at += length;
    }
    return picture;
  }

  void send(const Wanted* first, const Wanted* end, const AVPacket* packet) {
    int result;
    while ((result = avcodec_send_packet(decoder_.get(), packet)) == AVERROR(EAGAIN)) receive(first, end);
    check(result, "decoding");
  }

  void receive(const Wanted* first, const Wanted* end) {
    for (; avcodec_receive_frame(decoder_.get(), picture_.get()) >= 0; av_frame_unref(picture_.get())) {
      for (auto found = at(first, end, picture_->pts); found != end && found->pts == picture_->pts; ++found, --left_) {
        target_->data[0] = output_.first + output_.pitch * found->place;
        check(sws_scale_frame(scaler_.get(), target_.get(), picture_.get()), "converting");
      }
    }
  }

  const Video& video_;
  const Output& output_;
  Decoder decoder_;
  Scaler scaler_{sws_alloc_context()};
  Frame picture_{av_frame_alloc()}, target_{av_frame_alloc()};
  Packet packet_{av_packet_alloc()};
  std::int64_t left_ = 0;
};

void run(const Video& video, const Output& output, int decoders, int threads) {
  std::atomic<int> next = 0;
  std::vector<std::exception_ptr> errors(std::min(decoders, video.group_count));
  const auto work = [&](std::size_t number) {
    try {
      Worker worker(video, output, threads);
      for (int i = next++; i < video.group_count; i = next++) worker.decode(video.groups[i]);
    } catch (...) {
      errors[number] = std::current_exception();
    }
  };
  {
    std::vector<std::jthread> others;
    for (std::size_t number = 1; number < errors.size(); number++) others.emplace_back(work, number);
    work(0);
  }
  for (const std::exception_ptr& error : errors)
    if (error) std::rethrow_exception(error);
}

}  // namespace

// Writes what is wanted of the groups, each frame `place` pitches behind `out`. `decoders` work at the same time, each
// with so many threads. Returns null, or the reason why it failed.
extern "C" const char* limit_frames(int file, const char* codec, const std::uint8_t* extradata, int extradata_size,
                                    const Sample* samples, const Wanted* wanted, const Group* groups, int group_count,
                                    std::uint8_t* out, std::int64_t pitch, int width, int height, int decoders,
                                    int threads) {
  static std::string message;
  try {
    av_log_set_level(AV_LOG_QUIET);
    run({file, codec, extradata, extradata_size, samples, wanted, groups, group_count}, {out, pitch, width, height},
        decoders, threads);
    return nullptr;
  } catch (const std::exception& error) {
    message = error.what();
    return message.c_str();
  }
}
