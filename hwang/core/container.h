#pragma once

#include <memory>
#include <string>

#include "av.h"
#include "bytes.h"
#include "stop.h"

namespace hwang {

// A container that libavformat has opened: packets of all its streams.
class Container {
 public:
  // flags: AVFMT_FLAG_… for libavformat.
  Container(const ByteSource& source, int flags, Cancellation* cancellation);
  ~Container();
  Container(const Container&) = delete;
  Container& operator=(const Container&) = delete;

  // The next packet, or false at the end. A damaged container ends where it can no longer be read.
  bool next(AVPacket& packet);
  // Throws what went wrong while libavformat was reading.
  void rethrow() const;
  // libavformat's first name for its kind: "mpegts", "matroska", …
  std::string name() const;
  AVFormatContext* context() const { return context_.get(); }

 private:
  struct Reader;
  std::unique_ptr<Reader> reader_;
  InputPtr context_;
};

}  // namespace hwang
