#include "complaints.h"

namespace hwang {

void Complaints::listen() { av_log_set_callback(hear); }

void Complaints::hear(void* object, int level, const char* /*format*/, va_list /*arguments*/) {
  if (level > AV_LOG_ERROR || !object || *static_cast<const AVClass* const*>(object) != avcodec_get_class()) return;
  if (void* complaints = static_cast<AVCodecContext*>(object)->opaque)
    static_cast<Complaints*>(complaints)->heard_ = true;
}

}  // namespace hwang
