#pragma once

#include <cstdint>

#include "pixels.h"

namespace hwang {

// Copies a plane of a picture as it was decoded to a plane that is turned, and planar, as the layout states.
void arrange(const Layout& layout, int plane, const std::uint8_t* from, std::uint8_t* to);

}  // namespace hwang
