#include "movie.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <numeric>

namespace {

constexpr int buffer_size = 1 << 16;

struct File {
  int descriptor;
  std::int64_t at = 0;
};

int read_file(void* opaque, std::uint8_t* out, int size) {
  auto* file = static_cast<File*>(opaque);
  const ssize_t count = pread(file->descriptor, out, size, file->at);
  if (count <= 0) return AVERROR_EOF;
  file->at += count;
  return static_cast<int>(count);
}

std::int64_t seek_file(void* opaque, std::int64_t offset, int whence) {
  auto* file = static_cast<File*>(opaque);
  struct stat status {};
  if (fstat(file->descriptor, &status) < 0) return AVERROR(EIO);
  if (whence & AVSEEK_SIZE) return status.st_size;
  if (whence == SEEK_CUR) offset += file->at;
  if (whence == SEEK_END) offset += status.st_size;
  return file->at = offset;
}

struct Layer {
  bool referenced = true;
  int temporal = 0;
};

// What the NAL units of a sample say of its picture (MP4's H.264 and HEVC; anything else counts as referenced).
Layer layer_of(const AVCodecParameters& parameters, const AVPacket& packet) {
  const bool h264 = parameters.codec_id == AV_CODEC_ID_H264, hevc = parameters.codec_id == AV_CODEC_ID_HEVC;
  const int length_at = h264 ? 4 : 21;
  if ((!h264 && !hevc) || parameters.extradata_size <= length_at || parameters.extradata[0] != 1) return {};
  const int prefix = (parameters.extradata[length_at] & 3) + 1;
  bool picture = false;
  Layer layer{.referenced = false};
  const std::uint8_t* at = packet.data;
  for (std::int64_t left = packet.size; left > prefix;) {
    std::int64_t length = 0;
    for (int i = 0; i < prefix; i++) length = length << 8 | *at++;
    left -= prefix;
    if (length < 2 || length > left) return {};
    if (h264) {
      const int type = at[0] & 31;
      const bool slice = type >= 1 && type <= 5;
      picture |= slice;
      layer.referenced |= slice && (at[0] & 0x60);
    } else {
      const int type = at[0] >> 1 & 63;
      const bool slice = type < 32;
      picture |= slice;
      layer.referenced |= slice && (type >= 16 || type % 2);
      if (slice) layer.temporal = (at[1] & 7) - 1;
    }
    at += length;
    left -= length;
  }
  return picture ? layer : Layer{};
}

}  // namespace

Movie::Movie(const std::string& path) : file_(open(path.c_str(), O_RDONLY | O_CLOEXEC)) {
  if (file_ < 0) throw std::runtime_error(path + " cannot be opened");
  scan();
}

Movie::~Movie() { close(file_); }

void Movie::scan() {
  File file{file_};
  const Owned<AVIOContext> io(avio_alloc_context(static_cast<std::uint8_t*>(av_malloc(buffer_size)), buffer_size, 0, &file, read_file, nullptr, seek_file));
  AVFormatContext* opened = avformat_alloc_context();
  opened->pb = io.get();
  check(avformat_open_input(&opened, nullptr, nullptr, nullptr), "opening");
  const Owned<AVFormatContext> format(opened);
  check(avformat_find_stream_info(opened, nullptr), "finding the streams");
  const int stream = check(av_find_best_stream(opened, AVMEDIA_TYPE_VIDEO, -1, -1, nullptr, 0), "finding the video stream");
  parameters.reset(avcodec_parameters_alloc());
  check(avcodec_parameters_copy(parameters.get(), opened->streams[stream]->codecpar), "copying the parameters");
  const bool addressable = std::strstr(opened->iformat->name, "mov");

  std::vector<Layer> layers;
  const Owned<AVPacket> packet(av_packet_alloc());
  for (; av_read_frame(opened, packet.get()) >= 0; av_packet_unref(packet.get())) {
    if (packet->stream_index != stream) continue;
    layers.push_back(layer_of(*parameters, *packet));
    samples.push_back({packet->pts, packet->pos, packet->size, (packet->flags & AV_PKT_FLAG_KEY) != 0, false,
                       Owned<AVPacket>(addressable ? nullptr : av_packet_clone(packet.get()))});
    if (!(packet->flags & AV_PKT_FLAG_DISCARD)) shown.push_back(static_cast<int>(samples.size()) - 1);
  }
  // HEVC's sub-layer non-reference pictures serve higher layers still: only the highest layer's serve nobody.
  int highest = 0;
  for (const Layer& layer : layers) highest = std::max(highest, layer.temporal);
  for (std::size_t i = 0; i < samples.size(); i++) samples[i].disposable = !layers[i].referenced && layers[i].temporal == highest;

  const auto earlier = [this](int a, int b) { return samples[a].pts < samples[b].pts; };
  std::stable_sort(shown.begin(), shown.end(), earlier);
  for (std::size_t i = 0; i < samples.size(); i++)
    if (samples[i].sync) syncs_.push_back(static_cast<int>(i));
  std::stable_sort(syncs_.begin(), syncs_.end(), earlier);
  if (shown.empty() || syncs_.empty()) throw std::runtime_error("no pictures to start from");
}

void Movie::read(const Sample& sample, AVPacket* packet) const {
  av_packet_unref(packet);
  if (sample.kept) {
    check(av_packet_ref(packet, sample.kept.get()), "referring to a sample");
  } else {
    check(av_new_packet(packet, sample.size), "allocating a sample");
    if (pread(file_, packet->data, sample.size, sample.position) != sample.size) throw std::runtime_error("reading a sample failed");
    packet->pts = sample.pts;
    packet->flags = sample.sync ? AV_PKT_FLAG_KEY : 0;
  }
  packet->dts = AV_NOPTS_VALUE;
}

int Movie::start_of(int sample) const {
  const auto later = std::upper_bound(syncs_.begin(), syncs_.end(), samples[sample].pts, [this](std::int64_t pts, int sync) { return pts < samples[sync].pts; });
  return later == syncs_.begin() ? syncs_.front() : *std::prev(later);
}
