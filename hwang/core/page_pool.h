#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

namespace hwang {

// Reuses memory for pictures: the first touch of a fresh page costs more than converting the pixels that are written to
// it. All objects share the idle memory, which is there as long as one of them is. The kernel may take it back whenever
// it is short of it.
class PagePool {
 public:
  PagePool();
  ~PagePool();
  PagePool(const PagePool&) = delete;
  PagePool& operator=(const PagePool&) = delete;

  // Page-aligned memory that is idle again when its last owner releases it. Throws std::bad_alloc.
  std::shared_ptr<std::uint8_t> take(std::size_t bytes);
};

}  // namespace hwang
