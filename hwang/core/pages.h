#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

namespace hwang {

// Memory for pictures that is used again: the first touch of a fresh page costs more than converting the pixels that
// go there. What lies idle may be taken back by the kernel whenever it is short of memory.
class Pages : public std::enable_shared_from_this<Pages> {
 public:
  // Page-aligned memory that returns to this object when the last owner lets go. Throws std::bad_alloc.
  std::shared_ptr<std::uint8_t> take(std::size_t bytes);
  // From here on memory that comes back goes to the kernel, not to the next caller.
  void retire();

 private:
  class Block {
   public:
    explicit Block(std::size_t bytes);
    Block(Block&& other) noexcept;
    Block& operator=(Block&& other) noexcept;
    ~Block();
    std::uint8_t* begin;
    std::size_t bytes;
  };
  static constexpr std::size_t most_idle = 3;

  void give_back(Block block);

  std::mutex mutex_;
  std::vector<Block> idle_;
  bool retired_ = false;
};

}  // namespace hwang
