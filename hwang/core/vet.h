#pragma once

#include "bytes.h"
#include "stop.h"

namespace hwang {

// Reads a container from end to end, once, and throws Error(Kind::unsupported) if an HEVC stream in it has parameter
// sets that are refused (parameter_sets.h). libavformat usually runs libavcodec's parsers before it returns a packet:
// not here, and the bytes that a parser would get are checked first.
void vet(const ByteSource& source, Cancellation* cancellation);

}  // namespace hwang
