#pragma once

#include <atomic>
#include <cstdarg>
#include <string_view>

#include "av.h"

namespace hwang {

// Errors that a decoder reports in its log alone. FFV1's finds damage by its checksums, mends the picture as far as it
// can, and returns it without a mark. So does Theora's.
class DecoderLog {
 public:
  // Once for the process: nothing of FFmpeg's log is printed, errors of decoders with a DecoderLog are noted there.
  static void install() { av_log_set_callback(note); }

  // Notes errors of this decoder and of the threads that it starts. The decoder must not outlive this object.
  void listen(AVCodecContext& codec) { codec.opaque = this; }
  // Returns whether there were errors since the last call.
  bool take() { return noted_.exchange(false); }

 private:
  static void note(void* object, int level, const char* format, va_list /*arguments*/) {
    // Behind such a run Theora's decoder reads what an earlier picture left.
    const bool is_error = level <= AV_LOG_ERROR || std::string_view(format).starts_with("Invalid zero run");
    if (!is_error || !object || *static_cast<const AVClass* const*>(object) != avcodec_get_class()) return;
    if (void* log = static_cast<AVCodecContext*>(object)->opaque) static_cast<DecoderLog*>(log)->noted_ = true;
  }

  std::atomic<bool> noted_ = false;
};

}  // namespace hwang
