#pragma once

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <fcntl.h>
#include <span>
#include <system_error>
#include <unistd.h>
#include <vector>

#include "error.h"

namespace hwang {

// Random access to the bytes of a video, from several threads at once.
class ByteSource {
 public:
  explicit ByteSource(std::uint64_t size) : size(size) {}
  virtual ~ByteSource() = default;
  // Fills `into` from `offset` on and returns the number of bytes read: fewer only at the end.
  virtual std::size_t read(std::uint64_t offset, std::span<std::uint8_t> into) const = 0;
  const std::uint64_t size;
  // Set once the container was searched for parameter sets that are refused (vet.h).
  mutable std::atomic<bool> vetted = false;
};

// A file, read with a duplicate of the descriptor: the caller may close its own.
class FileBytes final : public ByteSource {
 public:
  FileBytes(int descriptor, std::uint64_t size) : ByteSource(size), descriptor_(fcntl(descriptor, F_DUPFD_CLOEXEC, 0)) {
    if (descriptor_ < 0)
      throw Error(Kind::source, "the video cannot be read: " + std::generic_category().message(errno));
  }
  FileBytes(const FileBytes&) = delete;
  FileBytes& operator=(const FileBytes&) = delete;
  ~FileBytes() override { close(descriptor_); }

  std::size_t read(std::uint64_t offset, std::span<std::uint8_t> into) const override {
    std::size_t done = 0;
    while (done < into.size()) {
      const ssize_t n = pread(descriptor_, into.data() + done, into.size() - done, static_cast<off_t>(offset + done));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) throw Error(Kind::source, "the video cannot be read: " + std::generic_category().message(errno));
      if (n == 0) break;
      done += static_cast<std::size_t>(n);
    }
    return done;
  }

 private:
  const int descriptor_;
};

// Pieces of a video that the caller fetched and keeps alive: the ranges of a plan.
class MemoryBytes final : public ByteSource {
 public:
  struct Piece {
    std::uint64_t offset;
    std::span<const std::uint8_t> bytes;
  };

  MemoryBytes(std::vector<Piece> pieces, std::uint64_t size) : ByteSource(size), pieces_(std::move(pieces)) {
    std::sort(pieces_.begin(), pieces_.end(), [](const Piece& a, const Piece& b) { return a.offset < b.offset; });
  }

  std::size_t read(std::uint64_t offset, std::span<std::uint8_t> into) const override {
    auto next = std::upper_bound(pieces_.begin(), pieces_.end(), offset,
                                 [](std::uint64_t at, const Piece& piece) { return at < piece.offset; });
    if (next == pieces_.begin()) return 0;
    const Piece& piece = *std::prev(next);
    const std::uint64_t skip = offset - piece.offset;
    if (skip >= piece.bytes.size()) return 0;
    const std::size_t n = std::min<std::uint64_t>(into.size(), piece.bytes.size() - skip);
    std::memcpy(into.data(), piece.bytes.data() + skip, n);
    return n;
  }

 private:
  std::vector<Piece> pieces_;
};

}  // namespace hwang
