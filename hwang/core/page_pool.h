#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

namespace hwang {

// Reuses memory for pictures: the first touch of a fresh page costs more than converting the pixels that are written to
// it. The kernel may take back idle memory whenever it is short of it.
class PagePool : public std::enable_shared_from_this<PagePool> {
 public:
  // Page-aligned memory that returns to this object when its last owner releases it. Throws std::bad_alloc.
  std::shared_ptr<std::uint8_t> take(std::size_t bytes);
  // From now on released memory returns to the kernel, not to the next caller.
  void retire();

 private:
  struct Unmap {
    std::size_t bytes;
    void operator()(std::uint8_t* begin) const;
  };
  using Block = std::unique_ptr<std::uint8_t, Unmap>;
  static constexpr std::size_t max_idle = 3;

  Block find_or_map(std::size_t bytes);
  void give_back(Block block);

  std::mutex mutex_;
  std::vector<Block> idle_;
  bool retired_ = false;
};

}  // namespace hwang
