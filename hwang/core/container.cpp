#include "container.h"

#include <algorithm>
#include <array>
#include <exception>
#include <string_view>

namespace hwang {

namespace {

using namespace std::string_view_literals;

struct Format {
  std::string_view magic;
  const char* demuxer;  // FFmpeg's name
  const char* name;
  std::size_t at = 0;
};

// Containers by their first bytes. Without its demuxer, one of raw streams takes such a file for its own.
constexpr std::array formats{
    Format{"\x06\x0e\x2b\x34\x02\x05\x01\x01\x0d\x01\x02"sv, "mxf", "MXF"},
    Format{"\x30\x26\xb2\x75\x8e\x66\xcf\x11"sv, "asf", "ASF (WMV)"},
    Format{"OggS"sv, "ogg", "Ogg"},
    Format{"GIF8"sv, "gif", "GIF"},
    Format{"YUV4MPEG2"sv, "yuv4mpegpipe", "YUV4MPEG2"},
    Format{"\x1f\x07\x00"sv, "dv", "DV"},
    Format{"DKIF"sv, "ivf", "IVF"},
    Format{".RMF"sv, "rm", "RealMedia"},
    Format{"nut/multimedia container"sv, "nut", "NUT"},
    Format{"\x00\x00\x00\x00\x01\xbc"sv, "gxf", "GXF"},
    Format{"\xb7\xd8\x00\x20\x37\x49\xda\x11"sv, "wtv", "Windows Recorded TV (WTV)"},
    Format{"FWS"sv, "swf", "Flash (SWF)"},
    Format{"CWS"sv, "swf", "Flash (SWF)"},
    Format{"NSVf"sv, "nsv", "Nullsoft Streaming Video"},
    Format{"NuppelVideo"sv, "nuv", "NuppelVideo"},
    Format{"MythTVVideo"sv, "nuv", "NuppelVideo"},
    Format{"\xf5\x46\x7a\xbd"sv, "ty", "TiVo"},
    Format{"LEITCH\0\0"sv, "lxf", "LXF"},
    Format{"RED1"sv, "r3d", "REDCODE", 4},
    Format{"RED2"sv, "r3d", "REDCODE", 4},
    Format{"BIK"sv, "bink", "Bink"},
    Format{"KB2"sv, "bink", "Bink"},
    Format{"SMK"sv, "smk", "Smacker"},
};

// Throws if the file is of a container that is not compiled in.
void refuse_missing(const ByteSource& source) {
  std::array<std::uint8_t, 32> bytes{};
  const std::size_t size = source.read(0, bytes);
  const std::string_view begin(reinterpret_cast<const char*>(bytes.data()), size);
  for (const Format& format : formats)
    if (begin.substr(std::min(format.at, size), format.magic.size()) == format.magic &&
        !av_find_input_format(format.demuxer))
      throw Error(Kind::unsupported, "this looks like " + std::string(format.name) +
                                         ", a container that this build does not read; convert the video, for "
                                         "example to MP4");
}

}  // namespace

// Hands bytes to libavformat. Exceptions must not cross its C frames: the last one is kept and rethrown afterwards.
struct Container::Reader {
  static constexpr int buffer_bytes = 1 << 18;
  const ByteSource& source;
  Cancellation* const cancellation;
  std::uint64_t position = 0;
  std::function<void(std::uint64_t)> ready;
  std::exception_ptr failure;
  AVIOContext* io = nullptr;

  Reader(const ByteSource& source, Cancellation* cancellation) : source(source), cancellation(cancellation) {
    auto* buffer = static_cast<std::uint8_t*>(av_malloc(buffer_bytes));
    io = buffer ? avio_alloc_context(buffer, buffer_bytes, 0, this, &read, nullptr, &seek) : nullptr;
    if (!io) {
      av_free(buffer);
      throw std::bad_alloc();
    }
  }
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;
  ~Reader() {
    av_freep(&io->buffer);
    avio_context_free(&io);
  }

  // Runs `work` unless the request is cancelled. Keeps what is thrown, and returns `failed` then and from then on.
  template <typename Work>
  int keeping_failure(int failed, Work work) noexcept {
    if (failure) return failed;
    try {
      if (cancellation) cancellation->check();
      return work();
    } catch (...) {
      failure = std::current_exception();
      return failed;
    }
  }

  static int read(void* self, std::uint8_t* into, int size) noexcept {
    auto& reader = *static_cast<Reader*>(self);
    return reader.keeping_failure(AVERROR(EIO), [&] {
      const std::size_t n = reader.source.read(reader.position, {into, static_cast<std::size_t>(size)});
      reader.position += n;
      if (reader.ready) reader.ready(reader.position);
      return n ? static_cast<int>(n) : AVERROR_EOF;
    });
  }

  // libavformat asks now and then whether to stop.
  static int interrupted(void* self) noexcept {
    return static_cast<Reader*>(self)->keeping_failure(1, [] { return 0; });
  }

  static std::int64_t seek(void* self, std::int64_t offset, int whence) noexcept {
    auto& reader = *static_cast<Reader*>(self);
    const auto size = static_cast<std::int64_t>(reader.source.size);
    if (whence & AVSEEK_SIZE) return size;
    const std::int64_t target = seek_target(offset, whence, static_cast<std::int64_t>(reader.position), size);
    if (target >= 0) reader.position = static_cast<std::uint64_t>(target);
    return target;
  }

  void rethrow() const {
    if (failure) std::rethrow_exception(failure);
  }
};

Container::Container(const ByteSource& source, int flags, Cancellation* cancellation)
    : reader_(std::make_unique<Reader>(source, cancellation)) {
  refuse_missing(source);
  AVFormatContext* context = avformat_alloc_context();
  if (!context) throw std::bad_alloc();
  context->pb = reader_->io;
  context->interrupt_callback = {&Reader::interrupted, reader_.get()};
  context->flags |= AVFMT_FLAG_CUSTOM_IO | flags;
  AVDictionary* options = nullptr;
  av_dict_set(&options, "scan_all_pmts", "1", 0);  // as the ffmpeg tool does: what is probed of MPEG-TS depends on it
  const int opened = avformat_open_input(&context, nullptr, nullptr, &options);  // frees the context on failure
  av_dict_free(&options);
  context_.reset(context);
  reader_->rethrow();
  check(opened, Kind::unsupported,
        "this is no video container that can be read (MP4, MOV, Matroska, WebM, MPEG-TS, MPEG-PS, AVI, FLV, IVF" +
            std::string(av_find_input_format("mxf") ? ", MXF, Ogg, ASF, DV, GIF, YUV4MPEG2" : "") +
            " or a raw stream)");
}

Container::~Container() = default;

void Container::before_reading(std::function<void(std::uint64_t)> ready) {
  ready(reader_->position);
  reader_->ready = std::move(ready);
}

std::uint64_t Container::position() const {
  return static_cast<std::uint64_t>(std::max<std::int64_t>(avio_tell(reader_->io), 0));
}

void Container::rethrow() const { reader_->rethrow(); }

bool Container::next(AVPacket& packet) {
  for (;;) {
    if (reader_->cancellation) reader_->cancellation->check();
    const int answer = av_read_frame(context_.get(), &packet);
    reader_->rethrow();
    if (answer != AVERROR(EAGAIN)) return answer >= 0;  // MPEG-TS, after a long stretch without a packet
  }
}

std::string Container::name() const {
  const std::string names = context_->iformat->name;
  return names.substr(0, names.find(','));
}

}  // namespace hwang
