#include "container.h"

#include <exception>

namespace hwang {

// Hands bytes to libavformat. Exceptions must not cross its C frames: the last one is kept and rethrown afterwards.
struct Container::Reader {
  static constexpr int buffer_bytes = 1 << 18;
  const ByteSource& source;
  Cancellation* const cancellation;
  std::uint64_t position = 0;
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

  // Runs `work` unless the request is cancelled. Keeps what is thrown, and returns `failed` then.
  template <typename Work>
  int keeping_failure(int failed, Work work) noexcept {
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
  AVFormatContext* context = avformat_alloc_context();
  if (!context) throw std::bad_alloc();
  context->pb = reader_->io;
  context->interrupt_callback = {&Reader::interrupted, reader_.get()};
  context->flags |= AVFMT_FLAG_CUSTOM_IO | flags;
  const int opened = avformat_open_input(&context, nullptr, nullptr, nullptr);  // frees the context on failure
  context_.reset(context);
  reader_->rethrow();
  check(opened, Kind::unsupported,
        "this is no video container that can be read (MP4, MOV, Matroska, WebM, MPEG-TS, MPEG-PS, AVI, FLV, IVF or a "
        "raw stream)");
}

Container::~Container() = default;

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
