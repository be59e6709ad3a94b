#include "served_bytes.h"

#include <algorithm>
#include <chrono>
#include <utility>

namespace hwang {

std::size_t ServedBytes::read(std::uint64_t offset, std::span<std::uint8_t> into) const {
  const std::lock_guard reading(reading_);
  std::size_t done = 0;
  while (done < into.size() && offset + done < size) {
    const std::uint64_t at = offset + done, begin = at / block_bytes_ * block_bytes_;
    const Block there = block(begin);
    const Bytes rest = Bytes(*there).subspan(std::min<std::size_t>(at - begin, there->size()));
    if (rest.empty()) break;
    const std::size_t n = std::min(rest.size(), into.size() - done);
    std::copy_n(rest.begin(), n, into.begin() + static_cast<std::ptrdiff_t>(done));
    done += n;
  }
  return done;
}

ServedBytes::Block ServedBytes::block(std::uint64_t offset) const {
  std::unique_lock lock(mutex_);
  for (bool asked = false;; asked = true) {
    const auto found = std::ranges::find(kept_, offset, &Kept::offset);
    if (found != kept_.end()) {
      std::rotate(kept_.begin(), found, found + 1);
      return kept_.front().block;
    }
    if (closed_) throw Error(Kind::source, "the video cannot be read any more");
    if (!asked) wanted_ = offset;
    asked_.notify_one();
    given_.wait_for(lock, std::chrono::milliseconds(50));
    lock.unlock();
    poll_();
    lock.lock();
  }
}

std::optional<std::uint64_t> ServedBytes::wanted() {
  std::unique_lock lock(mutex_);
  asked_.wait(lock, [&] { return closed_ || wanted_; });
  return closed_ ? std::nullopt : std::exchange(wanted_, std::nullopt);
}

void ServedBytes::give(std::uint64_t offset, Bytes bytes) {
  const auto block = std::make_shared<const std::vector<std::uint8_t>>(bytes.begin(), bytes.end());
  const std::lock_guard lock(mutex_);
  kept_.push_front({offset, block});
  if (kept_.size() > kept_blocks_) kept_.pop_back();
  given_.notify_all();
}

void ServedBytes::close() {
  const std::lock_guard lock(mutex_);
  closed_ = true;
  asked_.notify_all();
  given_.notify_all();
}

}  // namespace hwang
