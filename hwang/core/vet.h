#pragma once

#include "bytes.h"
#include "stop.h"

namespace hwang {

// Reads a container through, unless that was done before, and throws Error(Kind::unsupported) if an HEVC stream in it
// has parameter sets that are refused (parameter_sets.h). libavformat shows packets to libavcodec's parsers before it
// hands them out: here it does not, and what is looked at are the bytes that a parser would get.
void vet(const ByteSource& source, Cancellation* cancellation);

}  // namespace hwang
