#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "bytes.h"
#include "units.h"

namespace hwang {

// Bytes that another thread brings, a block at a time, when they are asked for. The last few blocks are kept.
class ServedBytes final : public ByteSource {
 public:
  // `poll` is called now and then by a thread that waits for a block, and may throw.
  ServedBytes(std::uint64_t size, std::size_t block_bytes, std::size_t kept_blocks, std::function<void()> poll)
      : ByteSource(size), block_bytes_(block_bytes), kept_blocks_(kept_blocks), poll_(std::move(poll)) {}

  std::size_t read(std::uint64_t offset, std::span<std::uint8_t> into) const override;

  // For the thread that serves. Returns the place of the block that is waited for; nothing when it is needed no more.
  std::optional<std::uint64_t> wanted();
  void give(std::uint64_t offset, Bytes bytes);
  // Ends all: reads throw from now on.
  void close();

 private:
  using Block = std::shared_ptr<const std::vector<std::uint8_t>>;
  struct Kept {
    std::uint64_t offset;
    Block block;
  };
  Block block(std::uint64_t offset) const;

  const std::size_t block_bytes_, kept_blocks_;
  const std::function<void()> poll_;
  mutable std::mutex reading_;  // one thread reads at a time
  mutable std::mutex mutex_;
  mutable std::condition_variable asked_, given_;
  mutable std::optional<std::uint64_t> wanted_;
  mutable std::deque<Kept> kept_;  // the one used last in front
  bool closed_ = false;
};

}  // namespace hwang
