// Frames of a video by row, with nothing done that they do not need: how fast can sparse frames be had from these
// libraries? A C interface for bench/contenders/limit.py. Functions that fail return null or -1, and limit_error() the
// reason.
extern "C" {
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libswscale/swscale.h>
}

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <exception>
#include <map>
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
using Parameters = std::unique_ptr<AVCodecParameters, Free<avcodec_parameters_free>>;

int check(int result, const char* what) {
  if (result < 0) throw std::runtime_error(std::string(what) + " failed");
  return result;
}

struct Sample {
  std::int64_t pts;
  std::int64_t position;  // in the file
  int size;
  bool sync;
  bool disposable;  // no other picture refers to it
  Packet kept;      // if the file's bytes are not the sample's
};

constexpr int buffer_size = 1 << 16;

int read_file(void* file, std::uint8_t* out, int size) {
  const ssize_t count = read(*static_cast<int*>(file), out, size);
  return count > 0 ? static_cast<int>(count) : AVERROR_EOF;
}

std::int64_t seek_file(void* file, std::int64_t offset, int whence) {
  return lseek(*static_cast<int*>(file), offset, whence & ~AVSEEK_FORCE);
}

void free_io(AVIOContext** io) {
  av_freep(&(*io)->buffer);
  avio_context_free(io);
}

using Format = std::unique_ptr<AVFormatContext, Free<avformat_close_input>>;
using Io = std::unique_ptr<AVIOContext, Free<free_io>>;

// True if no other picture refers to that of a sample, by its NAL units (H.264 and HEVC of MP4, in one temporal layer).
bool is_disposable(const AVCodecParameters& parameters, const AVPacket& packet) {
  const bool h264 = parameters.codec_id == AV_CODEC_ID_H264, hevc = parameters.codec_id == AV_CODEC_ID_HEVC;
  const int length_at = h264 ? 4 : 21;
  if ((!h264 && !hevc) || parameters.extradata_size <= length_at || parameters.extradata[0] != 1) return false;
  const int prefix = (parameters.extradata[length_at] & 3) + 1;
  bool picture = false;
  const std::uint8_t *at = packet.data, *const end = at + packet.size;
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

// Every sample of a file's video stream, and which of them is shown as which row.
class Movie {
 public:
  explicit Movie(const char* path) : file_(open(path, O_RDONLY | O_CLOEXEC)) {
    if (file_ < 0) throw std::runtime_error(std::string(path) + " cannot be opened");
    const Io io(avio_alloc_context(static_cast<std::uint8_t*>(av_malloc(buffer_size)), buffer_size, 0, &file_,
                                   read_file, nullptr, seek_file));
    AVFormatContext* opened = avformat_alloc_context();
    opened->pb = io.get();
    check(avformat_open_input(&opened, nullptr, nullptr, nullptr), "opening");
    const Format format(opened);
    check(avformat_find_stream_info(opened, nullptr), "finding the streams");
    const int stream =
        check(av_find_best_stream(opened, AVMEDIA_TYPE_VIDEO, -1, -1, nullptr, 0), "finding the video stream");
    parameters.reset(avcodec_parameters_alloc());
    check(avcodec_parameters_copy(parameters.get(), opened->streams[stream]->codecpar), "copying the parameters");
    const bool addressable = std::strstr(opened->iformat->name, "mov");

    const Packet packet(av_packet_alloc());
    for (; av_read_frame(opened, packet.get()) >= 0; av_packet_unref(packet.get())) {
      if (packet->stream_index != stream) continue;
      samples.push_back({packet->pts, packet->pos, packet->size, (packet->flags & AV_PKT_FLAG_KEY) != 0,
                         is_disposable(*parameters, *packet),
                         Packet(addressable ? nullptr : av_packet_clone(packet.get()))});
      if (!(packet->flags & AV_PKT_FLAG_DISCARD)) shown.push_back(static_cast<int>(samples.size()) - 1);
    }
    const auto earlier = [this](int a, int b) { return samples[a].pts < samples[b].pts; };
    std::stable_sort(shown.begin(), shown.end(), earlier);
    for (std::size_t i = 0; i < samples.size(); i++)
      if (samples[i].sync) syncs_.push_back(static_cast<int>(i));
    std::stable_sort(syncs_.begin(), syncs_.end(), earlier);
    if (shown.empty() || syncs_.empty()) throw std::runtime_error("no pictures to start from");
  }
  ~Movie() { close(file_); }
  Movie(const Movie&) = delete;
  Movie& operator=(const Movie&) = delete;

  std::vector<Sample> samples;  // in decoding order
  std::vector<int> shown;       // row -> sample
  Parameters parameters;

  // Fills `packet` with a sample's bytes, read again.
  void read(const Sample& sample, AVPacket* packet) const {
    av_packet_unref(packet);
    if (sample.kept) {
      check(av_packet_ref(packet, sample.kept.get()), "referring to a sample");
    } else {
      check(av_new_packet(packet, sample.size), "allocating a sample");
      if (pread(file_, packet->data, sample.size, sample.position) != sample.size)
        throw std::runtime_error("reading a sample failed");
      packet->pts = sample.pts;
      packet->flags = sample.sync ? AV_PKT_FLAG_KEY : 0;
    }
    packet->dts = AV_NOPTS_VALUE;
  }

  // The sample to start decoding from for this one.
  int start_of(int sample) const {
    const auto later = std::upper_bound(syncs_.begin(), syncs_.end(), samples[sample].pts,
                                        [this](std::int64_t pts, int sync) { return pts < samples[sync].pts; });
    return later == syncs_.begin() ? syncs_.front() : *std::prev(later);
  }

 private:
  int file_;
  std::vector<int> syncs_;  // by time
};

struct Output {
  std::uint8_t* first;  // frame i begins i pitches behind: RGB24 rows without gaps, then slack for whole vectors
  std::int64_t pitch;
  int width, height;
};

// A group of pictures from its start up to the last one wanted.
struct Group {
  std::vector<int> samples;                          // to be decoded, in decoding order
  std::vector<std::pair<std::int64_t, int>> wanted;  // (pts, place in the answer), ascending
};

class Worker {
 public:
  Worker(const Movie& movie, const Output& output, int threads) : movie_(movie), output_(output) {
    decoder_.reset(avcodec_alloc_context3(avcodec_find_decoder(movie.parameters->codec_id)));
    check(avcodec_parameters_to_context(decoder_.get(), movie.parameters.get()), "setting the decoder up");
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
    left_ = group.wanted.size();
    for (const int sample : group.samples) {
      movie_.read(movie_.samples[sample], packet_.get());
      send(group, packet_.get());
      receive(group);
    }
    if (left_) {
      send(group, nullptr);
      receive(group);
    }
    avcodec_flush_buffers(decoder_.get());
    if (left_) throw std::runtime_error("a frame did not come");
  }

 private:
  void send(const Group& group, const AVPacket* packet) {
    int result;
    while ((result = avcodec_send_packet(decoder_.get(), packet)) == AVERROR(EAGAIN)) receive(group);
    check(result, "decoding");
  }

  void receive(const Group& group) {
    for (; avcodec_receive_frame(decoder_.get(), picture_.get()) >= 0; av_frame_unref(picture_.get())) {
      auto place = std::lower_bound(group.wanted.begin(), group.wanted.end(), std::pair(picture_->pts, 0));
      for (; place != group.wanted.end() && place->first == picture_->pts; ++place, --left_) {
        target_->data[0] = output_.first + output_.pitch * place->second;
        check(sws_scale_frame(scaler_.get(), target_.get(), picture_.get()), "converting");
      }
    }
  }

  const Movie& movie_;
  const Output& output_;
  Decoder decoder_;
  Scaler scaler_{sws_alloc_context()};
  Frame picture_{av_frame_alloc()}, target_{av_frame_alloc()};
  Packet packet_{av_packet_alloc()};
  std::size_t left_ = 0;
};

// drop: leave out pictures that nobody refers to and nobody asks for.
std::vector<Group> plan(const Movie& movie, const int* rows, int count, bool drop) {
  std::map<int, Group> by_start;
  std::map<int, int> last;
  std::vector<bool> asked(movie.samples.size());
  for (int place = 0; place < count; place++) {
    const int sample = movie.shown.at(rows[place]), start = movie.start_of(sample);
    asked[sample] = true;
    by_start[start].wanted.emplace_back(movie.samples[sample].pts, place);
    last[start] = std::max(last[start], sample);
  }
  std::vector<Group> groups;
  for (auto& [start, group] : by_start) {
    std::sort(group.wanted.begin(), group.wanted.end());
    for (int sample = start; sample <= last[start]; sample++)
      if (asked[sample] || !drop || !movie.samples[sample].disposable) group.samples.push_back(sample);
    groups.push_back(std::move(group));
  }
  std::stable_sort(groups.begin(), groups.end(),
                   [](const Group& a, const Group& b) { return a.samples.size() > b.samples.size(); });
  return groups;
}

void run(const Movie& movie, const std::vector<Group>& groups, const Output& output, int decoders, int threads) {
  std::atomic<std::size_t> next = 0;
  std::vector<std::exception_ptr> errors(std::min<std::size_t>(decoders, groups.size()));
  const auto work = [&](std::size_t number) {
    try {
      Worker worker(movie, output, threads);
      for (std::size_t i = next++; i < groups.size(); i = next++) worker.decode(groups[i]);
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

std::string message;

template <typename Call, typename Result = std::invoke_result_t<Call>>
Result guarded(const Call& call, Result failed) {
  try {
    return call();
  } catch (const std::exception& error) {
    message = error.what();
    return failed;
  }
}

}  // namespace

extern "C" {

const char* limit_error() { return message.c_str(); }

// Opens and indexes a file; `shape` becomes its number of rows, width and height.
Movie* limit_open(const char* path, int* shape) {
  av_log_set_level(AV_LOG_QUIET);
  return guarded(
      [&] {
        auto movie = std::make_unique<Movie>(path);
        shape[0] = static_cast<int>(movie->shown.size());
        shape[1] = movie->parameters->width;
        shape[2] = movie->parameters->height;
        return movie.release();
      },
      static_cast<Movie*>(nullptr));
}

// The bytes of every group of pictures that the rows need, up to its last row.
std::int64_t limit_bytes(const Movie* movie, const int* rows, int count) {
  return guarded(
      [&] {
        std::int64_t bytes = 0;
        for (const Group& group : plan(*movie, rows, count, false))
          for (const int sample : group.samples) bytes += movie->samples[sample].size;
        return bytes;
      },
      std::int64_t{-1});
}

// Writes frame `rows[i]` i pitches behind `out`. `decoders` work at the same time, each with so many threads.
int limit_frames(const Movie* movie, const int* rows, int count, std::uint8_t* out, std::int64_t pitch, int width,
                 int height, int decoders, int threads) {
  return guarded(
      [&] { return run(*movie, plan(*movie, rows, count, true), {out, pitch, width, height}, decoders, threads), 0; },
      -1);
}

void limit_close(Movie* movie) { delete movie; }
}
