#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "av.h"
#include "bytes.h"
#include "stop.h"

namespace hwang {

// A container opened by libavformat; reads the packets of all its streams.
class Container {
 public:
  // flags: AVFMT_FLAG_… for libavformat.
  Container(const ByteSource& source, int flags, Cancellation* cancellation);
  ~Container();
  Container(const Container&) = delete;
  Container& operator=(const Container&) = delete;

  // Reads the next packet; returns false at the end. A damaged container ends where it becomes unreadable.
  bool next(AVPacket& packet);
  // Calls `ready` with the end of what has been read, and of each stretch that is read from now on, before libavformat
  // gets it. It may throw.
  void before_reading(std::function<void(std::uint64_t end)> ready);
  // Returns the place of the next byte that libavformat will look at.
  std::uint64_t position() const;
  // Throws the error that occurred while libavformat was reading, if any.
  void rethrow() const;
  // libavformat's first name of the format: "mpegts", "matroska", …
  std::string name() const;
  AVFormatContext* context() const { return context_.get(); }

 private:
  struct Reader;
  std::unique_ptr<Reader> reader_;
  InputPtr context_;
};

}  // namespace hwang
