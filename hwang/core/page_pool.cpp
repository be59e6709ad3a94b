#include "page_pool.h"

#include <algorithm>
#include <new>
#include <sys/mman.h>

namespace hwang {

void PagePool::Unmap::operator()(std::uint8_t* begin) const { munmap(begin, bytes); }

PagePool::Block PagePool::find_or_map(std::size_t bytes) {
  const std::lock_guard lock(mutex_);
  const auto fits = std::find_if(idle_.begin(), idle_.end(), [&](const Block& block) {
    const std::size_t size = block.get_deleter().bytes;
    return size >= bytes && size / 2 <= bytes;
  });
  if (fits != idle_.end()) {
    Block found = std::move(*fits);
    idle_.erase(fits);
    return found;
  }
  void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  return {static_cast<std::uint8_t*>(memory), {bytes}};
}

std::shared_ptr<std::uint8_t> PagePool::take(std::size_t bytes) {
  const auto owner = std::make_shared<Block>(find_or_map(std::max<std::size_t>(bytes, 1)));
  return {owner->get(), [pool = weak_from_this(), owner](std::uint8_t*) {
            if (const auto home = pool.lock()) home->give_back(std::move(*owner));
          }};
}

void PagePool::retire() {
  const std::lock_guard lock(mutex_);
  retired_ = true;
  idle_.clear();
}

void PagePool::give_back(Block block) {
  madvise(block.get(), block.get_deleter().bytes, MADV_FREE);  // advice: a failure changes nothing
  const std::lock_guard lock(mutex_);
  if (retired_) return;
  if (idle_.size() == max_idle) idle_.erase(idle_.begin());
  idle_.push_back(std::move(block));
}

}  // namespace hwang
