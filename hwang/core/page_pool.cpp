#include "page_pool.h"

#include <algorithm>
#include <mutex>
#include <new>
#include <pthread.h>
#include <sys/mman.h>
#include <vector>

namespace hwang {

namespace {

struct Unmap {
  std::size_t bytes;
  void operator()(std::uint8_t* begin) const { munmap(begin, bytes); }
};
using Block = std::unique_ptr<std::uint8_t, Unmap>;

constexpr std::size_t large = 3;  // blocks that are kept however large they are
constexpr std::size_t max_idle = 8;
constexpr std::size_t max_bytes = 48 << 20;

// The idle memory of the process; the block that was given back last is the last one.
class IdlePages {
 public:
  // Never destroyed: arrays may outlive all else. A forked child finds it free and whole, and uses copies of its pages.
  static IdlePages& of_process() {
    static IdlePages& only = *new IdlePages;
    return only;
  }

  void add_user() {
    const std::lock_guard lock(mutex_);
    users_++;
  }

  void remove_user() {
    const std::lock_guard lock(mutex_);
    if (--users_ == 0) idle_.clear();
  }

  Block find(std::size_t bytes) {
    const std::lock_guard lock(mutex_);
    const auto fits = std::find_if(idle_.begin(), idle_.end(), [&](const Block& block) {
      const std::size_t size = block.get_deleter().bytes;
      return size >= bytes && size / 2 <= bytes;
    });
    if (fits == idle_.end()) return {nullptr, {0}};
    Block found = std::move(*fits);
    idle_.erase(fits);
    return found;
  }

  void keep(Block block) {
    madvise(block.get(), block.get_deleter().bytes, MADV_FREE);  // advice: a failure changes nothing
    const std::lock_guard lock(mutex_);
    if (!users_) return;
    idle_.push_back(std::move(block));
    std::size_t bytes = 0;
    for (const Block& idle : idle_) bytes += idle.get_deleter().bytes;
    while (idle_.size() > large && (idle_.size() > max_idle || bytes > max_bytes)) {
      bytes -= idle_.front().get_deleter().bytes;
      idle_.erase(idle_.begin());
    }
  }

 private:
  IdlePages() {
    pthread_atfork([] { of_process().mutex_.lock(); }, [] { of_process().mutex_.unlock(); },
                   [] { of_process().mutex_.unlock(); });
  }

  std::mutex mutex_;
  std::vector<Block> idle_;
  std::size_t users_ = 0;
};

}  // namespace

PagePool::PagePool() { IdlePages::of_process().add_user(); }

PagePool::~PagePool() { IdlePages::of_process().remove_user(); }

std::shared_ptr<std::uint8_t> PagePool::take(std::size_t bytes) {
  bytes = std::max<std::size_t>(bytes, 1);
  Block block = IdlePages::of_process().find(bytes);
  if (!block) {
    void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) throw std::bad_alloc();
    block = {static_cast<std::uint8_t*>(memory), {bytes}};
  }
  const auto owner = std::make_shared<Block>(std::move(block));
  return {owner->get(), [owner](std::uint8_t*) { IdlePages::of_process().keep(std::move(*owner)); }};
}

}  // namespace hwang
