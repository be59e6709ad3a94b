#include "pages.h"

#include <algorithm>
#include <new>
#include <sys/mman.h>
#include <utility>

namespace hwang {

Pages::Block::Block(std::size_t bytes) : bytes(bytes) {
  void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  begin = static_cast<std::uint8_t*>(memory);
}

Pages::Block::Block(Block&& other) noexcept : begin(std::exchange(other.begin, nullptr)), bytes(other.bytes) {}

Pages::Block& Pages::Block::operator=(Block&& other) noexcept {
  std::swap(begin, other.begin);
  std::swap(bytes, other.bytes);
  return *this;
}

Pages::Block::~Block() {
  if (begin) munmap(begin, bytes);
}

std::shared_ptr<std::uint8_t> Pages::take(std::size_t bytes) {
  bytes = std::max<std::size_t>(bytes, 1);
  auto block = [&] {
    const std::lock_guard lock(mutex_);
    const auto fits = std::find_if(idle_.begin(), idle_.end(),
                                   [&](const Block& idle) { return idle.bytes >= bytes && idle.bytes / 2 <= bytes; });
    if (fits == idle_.end()) return Block(bytes);
    Block found = std::move(*fits);
    idle_.erase(fits);
    return found;
  }();
  std::uint8_t* begin = block.begin;
  const auto owner = std::make_shared<Block>(std::move(block));
  return {begin, [pages = weak_from_this(), owner](std::uint8_t*) {
            if (const auto home = pages.lock()) home->give_back(std::move(*owner));
          }};
}

void Pages::retire() {
  const std::lock_guard lock(mutex_);
  retired_ = true;
  idle_.clear();
}

void Pages::give_back(Block block) {
  madvise(block.begin, block.bytes, MADV_FREE);  // advice: it does not matter if it is not taken
  const std::lock_guard lock(mutex_);
  if (retired_) return;
  if (idle_.size() == most_idle) idle_.erase(idle_.begin());
  idle_.push_back(std::move(block));
}

}  // namespace hwang
