#include "error.h"

extern "C" {
#include <libavutil/error.h>
}

namespace hwang {

int check(int answer, Kind kind, const std::string& doing) {
  if (answer >= 0) return answer;
  if (answer == AVERROR(ENOMEM)) throw Error(Kind::limit, doing + ": it asks for more memory than there is");
  char text[AV_ERROR_MAX_STRING_SIZE] = {};
  av_strerror(answer, text, sizeof text);
  throw Error(kind, doing + ": " + text);
}

}  // namespace hwang
