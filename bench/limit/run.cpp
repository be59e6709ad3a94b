#include "run.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <map>
#include <thread>

namespace {

class Worker {
 public:
  Worker(const Movie& movie, const Settings& settings, const Output& output) : movie_(movie), settings_(settings), output_(output) {
    decoder_.reset(avcodec_alloc_context3(avcodec_find_decoder(movie.parameters->codec_id)));
    check(avcodec_parameters_to_context(decoder_.get(), movie.parameters.get()), "setting the decoder up");
    decoder_->thread_count = settings.threads;
    decoder_->thread_type = FF_THREAD_FRAME;
    check(avcodec_open2(decoder_.get(), nullptr, nullptr), "opening the decoder");
    scaler_->threads = 1;
    target_->format = AV_PIX_FMT_RGB24;
    target_->width = settings.width;
    target_->height = settings.height;
    target_->linesize[0] = settings.width * 3;
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
    while (check_again(avcodec_send_packet(decoder_.get(), packet))) receive(group);
  }

  static bool check_again(int result) { return result == AVERROR(EAGAIN) || (check(result, "decoding"), false); }

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
  const Settings& settings_;
  const Output& output_;
  Owned<AVCodecContext> decoder_;
  Owned<SwsContext> scaler_{sws_alloc_context()};
  Owned<AVFrame> picture_{av_frame_alloc()}, target_{av_frame_alloc()};
  Owned<AVPacket> packet_{av_packet_alloc()};
  std::size_t left_ = 0;
};

}  // namespace

std::vector<Group> plan(const Movie& movie, const std::vector<int>& rows, bool drop) {
  std::map<int, Group> by_start;
  std::map<int, int> last;
  std::vector<bool> asked(movie.samples.size());
  for (std::size_t place = 0; place < rows.size(); place++) {
    const int sample = movie.shown.at(rows[place]), start = movie.start_of(sample);
    asked[sample] = true;
    by_start[start].wanted.emplace_back(movie.samples[sample].pts, static_cast<int>(place));
    last[start] = std::max(last[start], sample);
  }
  std::vector<Group> groups;
  for (auto& [start, group] : by_start) {
    std::sort(group.wanted.begin(), group.wanted.end());
    for (int sample = start; sample <= last[start]; sample++)
      if (asked[sample] || !drop || !movie.samples[sample].disposable) group.samples.push_back(sample);
    groups.push_back(std::move(group));
  }
  std::stable_sort(groups.begin(), groups.end(), [](const Group& a, const Group& b) { return a.samples.size() > b.samples.size(); });
  return groups;
}

void run(const Movie& movie, const std::vector<Group>& groups, const Settings& settings, const Output& output) {
  std::atomic<std::size_t> next = 0;
  std::vector<std::exception_ptr> errors(std::min<std::size_t>(settings.decoders, groups.size()));
  const auto work = [&](std::size_t number) {
    try {
      Worker worker(movie, settings, output);
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
