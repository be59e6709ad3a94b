#pragma once

#include "units.h"

namespace hwang {

// Fields of MPEG-2 that are pictures of their own, both in one sample.
struct CodedFields {
  bool any = false;
  bool of_one_frame = true;
};

CodedFields coded_fields(Bytes sample);

}  // namespace hwang
