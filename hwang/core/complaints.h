#pragma once

#include <atomic>

#include "av.h"

namespace hwang {

// What a decoder says in its log alone. FFV1's finds damage by its checksums, mends what it can, and hands out the
// picture without a mark.
class Complaints {
 public:
  // Nothing of FFmpeg's log is printed; what is heeded is heard. Once for the process.
  static void listen();

  // Complaints of this decoder, and of the threads it starts, are heard. It must not outlive this object.
  void heed(AVCodecContext& codec) { codec.opaque = this; }
  // Whether there were any since the last time.
  bool take() { return heard_.exchange(false); }

 private:
  static void hear(void* object, int level, const char* format, va_list arguments);

  std::atomic<bool> heard_ = false;
};

}  // namespace hwang
