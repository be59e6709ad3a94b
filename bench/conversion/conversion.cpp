// What a picture's way from YUV 4:2:0 to RGB24 costs, and how far each way is from double precision.
//
//   conversion CLIP     a table, of pictures of the clip; the figures of docs/decisions/rgb-conversion.md
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <vector>

#include "../limit/movie.h"
#include "kernels.h"
#if __has_include(<libyuv.h>)
#include <libyuv.h>
#endif

namespace {

constexpr int picture_count = 24, rounds = 9;

struct Way {
  const char* name;
  std::function<void(const AVFrame&, std::uint8_t*)> convert;
};

Picture view(const AVFrame& frame) {
  return {frame.data[0], frame.data[1], frame.data[2], frame.linesize[0], frame.linesize[1], frame.width, frame.height};
}

std::vector<Owned<AVFrame>> decode(const Movie& movie) {
  const Owned<AVCodecContext> decoder(avcodec_alloc_context3(avcodec_find_decoder(movie.parameters->codec_id)));
  check(avcodec_parameters_to_context(decoder.get(), movie.parameters.get()), "setting the decoder up");
  check(avcodec_open2(decoder.get(), nullptr, nullptr), "opening the decoder");
  const Owned<AVPacket> packet(av_packet_alloc());
  std::vector<Owned<AVFrame>> pictures;
  for (std::size_t i = 0; i < movie.samples.size() && pictures.size() < picture_count; i++) {
    movie.read(movie.samples[i], packet.get());
    check(avcodec_send_packet(decoder.get(), packet.get()), "decoding");
    for (Owned<AVFrame> frame(av_frame_alloc()); avcodec_receive_frame(decoder.get(), frame.get()) >= 0; frame.reset(av_frame_alloc())) {
      if (frame->format != AV_PIX_FMT_YUV420P) throw std::runtime_error("the clip is not 8-bit 4:2:0");
      frame->colorspace = AVCOL_SPC_BT709;
      frame->color_range = AVCOL_RANGE_MPEG;
      pictures.push_back(std::move(frame));
    }
  }
  return pictures;
}

Way swscale(const char* name, unsigned flags) {
  const std::shared_ptr<SwsContext> scaler(sws_alloc_context(), [](SwsContext* context) { sws_free_context(&context); });
  const std::shared_ptr<AVFrame> target(av_frame_alloc(), [](AVFrame* frame) { av_frame_free(&frame); });
  scaler->flags = flags;
  scaler->threads = 1;
  return {name, [scaler, target](const AVFrame& frame, std::uint8_t* rgb) {
            target->format = AV_PIX_FMT_RGB24;
            target->width = frame.width;
            target->height = frame.height;
            target->linesize[0] = frame.width * 3;
            target->data[0] = rgb;
            target->colorspace = AVCOL_SPC_RGB;
            target->color_range = AVCOL_RANGE_JPEG;
            check(sws_scale_frame(scaler.get(), target.get(), &frame), "converting");
          }};
}

std::vector<Way> ways() {
  std::vector<Way> all{
      swscale("swscale, the tool's own settings", SWS_BICUBIC),
      swscale("swscale, accurate_rnd", SWS_BICUBIC | SWS_ACCURATE_RND),
      swscale("swscale, accurate_rnd+full_chroma_int", SWS_BICUBIC | SWS_ACCURATE_RND | SWS_FULL_CHR_H_INT),
      swscale("swscale, bilinear+accurate_rnd+full_chroma_int", SWS_BILINEAR | SWS_ACCURATE_RND | SWS_FULL_CHR_H_INT),
      swscale("swscale, newer graph (unstable)", SWS_BICUBIC | SWS_UNSTABLE),
      {"own kernel, nearest chroma", [](const AVFrame& frame, std::uint8_t* rgb) { fixed_point(view(frame), Chroma::nearest, rgb); }},
      {"own kernel, interpolated chroma", [](const AVFrame& frame, std::uint8_t* rgb) { fixed_point(view(frame), Chroma::interpolated, rgb); }},
  };
#if __has_include(<libyuv.h>)
  // RAW is libyuv's name for R, G, B in memory: RGB24 with U and V, and with them the matrix, exchanged.
  const auto libyuv_way = [](libyuv::FilterMode filter) {
    return [filter](const AVFrame& f, std::uint8_t* rgb) {
      libyuv::I420ToRGB24MatrixFilter(f.data[0], f.linesize[0], f.data[2], f.linesize[2], f.data[1], f.linesize[1], rgb, f.width * 3, &libyuv::kYvuH709Constants,
                                      f.width, f.height, filter);
    };
  };
  all.push_back({"libyuv, nearest chroma", libyuv_way(libyuv::kFilterNone)});
  all.push_back({"libyuv, interpolated chroma", libyuv_way(libyuv::kFilterBilinear)});
#endif
  return all;
}

void measure(const Way& way, const std::vector<Owned<AVFrame>>& pictures, const std::vector<std::uint8_t>& truth, std::vector<std::uint8_t>& rgb) {
  std::vector<double> milliseconds;
  for (int round = 0; round <= rounds; round++) {
    const auto start = std::chrono::steady_clock::now();
    for (const auto& picture : pictures) way.convert(*picture, rgb.data());
    const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - start;
    if (round) milliseconds.push_back(took.count() / static_cast<double>(pictures.size()));
  }
  std::nth_element(milliseconds.begin(), milliseconds.begin() + rounds / 2, milliseconds.end());
  double total = 0;
  int most = 0;
  for (std::size_t i = 0; i < truth.size(); i++) {
    const int difference = std::abs(rgb[i] - truth[i]);
    total += difference;
    most = std::max(most, difference);
  }
  std::printf("| %s | %.2f | %.3f | %d |\n", way.name, milliseconds[rounds / 2], total / static_cast<double>(truth.size()), most);
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 2) return std::fputs("usage: conversion CLIP\n", stderr), 2;
  av_log_set_level(AV_LOG_QUIET);
  try {
    const Movie movie(arguments[1]);
    const std::vector<Owned<AVFrame>> pictures = decode(movie);
    const AVFrame& last = *pictures.back();
    const std::size_t bytes = static_cast<std::size_t>(last.width) * static_cast<std::size_t>(last.height) * 3;
    std::vector<std::uint8_t> truth(bytes), rgb(bytes + 4096);  // swscale writes whole vectors
    exact(view(last), truth.data());
    std::printf("| %dx%d, one thread | ms a picture | mean difference | largest |\n| --- | ---: | ---: | ---: |\n", last.width, last.height);
    for (const Way& way : ways()) measure(way, pictures, truth, rgb);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "conversion: %s\n", error.what());
    return 1;
  }
}
