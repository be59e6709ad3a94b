/* Encodes a second of ever lighter frames and a tone, with the very libraries of an image.
 *
 *   encode FILE MUXER VIDEO_ENCODER AUDIO_ENCODER
 */
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/mem.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SIDE_PX = 64, FRAMES = 25, DARKEST = 20, STEP = 8, RATE = 48000, TONE_HZ = 440, BUFFER = 1 << 16 };

static int ask(int status, const char* what) {
  if (status < 0) {
    fprintf(stderr, "encode: %s: %s\n", what, av_err2str(status));
    exit(1);
  }
  return status;
}

static void* need(void* pointer, const char* what) {
  if (!pointer) {
    fprintf(stderr, "encode: there is no %s\n", what);
    exit(1);
  }
  return pointer;
}

/* The file is written by ourselves, as the libraries have no protocols. */
static int write_bytes(void* file, const uint8_t* bytes, int size) {
  return fwrite(bytes, 1, size, file) == (size_t)size ? size : AVERROR(EIO);
}

static int64_t seek_to(void* file, int64_t offset, int whence) {
  if (whence & AVSEEK_SIZE || fseek(file, offset, whence)) return AVERROR(EIO);
  return ftell(file);
}

static AVCodecContext* prepare(const char* name) {
  const AVCodec* codec = need((void*)avcodec_find_encoder_by_name(name), name);
  AVCodecContext* context = need(avcodec_alloc_context3(codec), "memory");
  if (codec->type == AVMEDIA_TYPE_VIDEO) {
    context->width = context->height = SIDE_PX;
    context->pix_fmt = AV_PIX_FMT_YUV420P;
    context->time_base = (AVRational){1, FRAMES};
    context->framerate = (AVRational){FRAMES, 1};
    context->bit_rate = 400000;
  } else {
    const enum AVSampleFormat* formats;
    ask(avcodec_get_supported_config(NULL, codec, AV_CODEC_CONFIG_SAMPLE_FORMAT, 0, (const void**)&formats, NULL),
        name);
    context->sample_fmt = formats[0];
    context->sample_rate = RATE;
    context->time_base = (AVRational){1, RATE};
    context->bit_rate = 64000;
    av_channel_layout_default(&context->ch_layout, 1);
  }
  return context;
}

static AVStream* open_stream(AVFormatContext* output, AVCodecContext* context) {
  AVStream* stream = need(avformat_new_stream(output, NULL), "memory");
  if (output->oformat->flags & AVFMT_GLOBALHEADER) context->flags |= AV_CODEC_FLAG_GLOBAL_HEADER;
  ask(avcodec_open2(context, NULL, NULL), context->codec->name);
  ask(avcodec_parameters_from_context(stream->codecpar, context), "parameters");
  stream->time_base = context->time_base;
  return stream;
}

static void encode(AVFormatContext* output, AVCodecContext* context, AVStream* stream, AVFrame* frame) {
  AVPacket* packet = need(av_packet_alloc(), "memory");
  int status;
  ask(avcodec_send_frame(context, frame), context->codec->name);
  while ((status = avcodec_receive_packet(context, packet)) >= 0) {
    av_packet_rescale_ts(packet, context->time_base, stream->time_base);
    packet->stream_index = stream->index;
    ask(av_interleaved_write_frame(output, packet), "writing");
  }
  if (status != AVERROR(EAGAIN) && status != AVERROR_EOF) ask(status, context->codec->name);
  av_packet_free(&packet);
}

static void encode_video(AVFormatContext* output, AVCodecContext* context, AVStream* stream) {
  for (int number = 0; number < FRAMES; number++) {
    AVFrame* frame = need(av_frame_alloc(), "memory");
    frame->width = frame->height = SIDE_PX;
    frame->format = context->pix_fmt;
    frame->pts = number;
    ask(av_frame_get_buffer(frame, 0), "memory");
    memset(frame->data[0], DARKEST + STEP * number, (size_t)frame->linesize[0] * SIDE_PX);
    for (int plane = 1; plane < 3; plane++)
      memset(frame->data[plane], 128, (size_t)frame->linesize[plane] * SIDE_PX / 2);
    encode(output, context, stream, frame);
    av_frame_free(&frame);
  }
  encode(output, context, stream, NULL);
}

static void encode_tone(AVFormatContext* output, AVCodecContext* context, AVStream* stream) {
  for (int start = 0; start < RATE; start += context->frame_size) {
    AVFrame* frame = need(av_frame_alloc(), "memory");
    frame->nb_samples = context->frame_size;
    frame->format = context->sample_fmt;
    frame->sample_rate = RATE;
    frame->pts = start;
    ask(av_channel_layout_copy(&frame->ch_layout, &context->ch_layout), "memory");
    ask(av_frame_get_buffer(frame, 0), "memory");
    for (int sample = 0; sample < frame->nb_samples; sample++) {
      const double value = 0.5 * sin(2 * M_PI * TONE_HZ * (start + sample) / RATE);
      if (av_get_bytes_per_sample(context->sample_fmt) == 2)
        ((int16_t*)frame->data[0])[sample] = (int16_t)(value * INT16_MAX);
      else if (av_get_packed_sample_fmt(context->sample_fmt) == AV_SAMPLE_FMT_FLT)
        ((float*)frame->data[0])[sample] = (float)value;
      else
        ((int32_t*)frame->data[0])[sample] = (int32_t)(value * INT32_MAX);
    }
    encode(output, context, stream, frame);
    av_frame_free(&frame);
  }
  encode(output, context, stream, NULL);
}

int main(int count, char** arguments) {
  if (count != 5) return 2;
  AVFormatContext* output;
  FILE* file = need(fopen(arguments[1], "wb"), arguments[1]);
  ask(avformat_alloc_output_context2(&output, NULL, arguments[2], NULL), arguments[2]);
  output->pb = need(avio_alloc_context(av_malloc(BUFFER), BUFFER, 1, file, NULL, write_bytes, seek_to), "memory");
  AVCodecContext *video = prepare(arguments[3]), *audio = prepare(arguments[4]);
  AVStream *pictures = open_stream(output, video), *sound = open_stream(output, audio);
  ask(avformat_write_header(output, NULL), "header");
  encode_video(output, video, pictures);
  encode_tone(output, audio, sound);
  ask(av_write_trailer(output), "trailer");
  avio_flush(output->pb);
  return fclose(file) ? 1 : 0;
}
