// How fast can sparse frames be had from these libraries? A program that does nothing else, as the others' measure.
//
// Requests and answers are lines of JSON, like those of bench/worker.py:
//   {"do": "open", "path": P, "layout": [BITS, ACROSS, DOWN], …}
//   {"do": "run", "rows": […], "width": W, "height": H, "decoders": D, "threads": T, "drop": 1, "fresh": 0}
//   {"do": "plan", "rows": […], "drop": 1}     how many samples and bytes that takes
#include <sys/resource.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <optional>

#include "request.h"
#include "run.h"

namespace {

double wall() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

double cpu() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) { return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6; };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

void reset_peak() { std::ofstream("/proc/self/clear_refs") << "5"; }

long peak_bytes() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with("VmHWM:")) return std::strtol(line.c_str() + 6, nullptr, 10) * 1024;
  return 0;
}

// The number drawn into a frame as bench/barcode.py draws it; -1 if none is clean.
int read_number(const std::uint8_t* frame, int width, int height, const std::vector<int>& layout) {
  const int bits = layout.at(0), across = layout.at(1), down = layout.at(2);
  const auto brightness = [&](int bit, int line) {
    const int x = (2 * bit + 1) * width / (2 * across), y = (2 * line + 1) * height / (2 * down);
    const std::uint8_t* pixel = frame + (static_cast<std::size_t>(y) * width + x) * 3;
    return pixel[0] + pixel[1] + pixel[2];
  };
  int number = 0;
  for (int bit = 0; bit < bits; bit++) {
    const int contrast = brightness(bit, 0) - brightness(bit, 1);
    if (std::abs(contrast) < 3 * 90) return -1;
    number |= (contrast > 0) << bit;
  }
  return number;
}

struct Free {
  void operator()(std::uint8_t* memory) const { std::free(memory); }
};
using Memory = std::unique_ptr<std::uint8_t, Free>;

Memory allocate(std::size_t size) {
  Memory memory(static_cast<std::uint8_t*>(std::aligned_alloc(64, size)));
  if (!memory) throw std::runtime_error("no memory for the frames");
  return memory;
}

class Program {
 public:
  std::string answer(const Request& request) {
    const std::string what = request.text("do");
    if (what == "open") return open(request);
    if (!movie_) throw std::runtime_error("nothing is open");
    if (what == "run") return run_rows(request);
    if (what == "plan") return plan_rows(request);
    throw std::runtime_error("unknown request");
  }

 private:
  std::string open(const Request& request) {
    const double start = wall(), used = cpu();
    movie_.emplace(request.text("path"));
    const double seconds = wall() - start;
    layout_ = request.numbers("layout");
    return "\"wall\": " + std::to_string(seconds) + ", \"cpu\": " + std::to_string(cpu() - used) + ", \"frames\": " + std::to_string(movie_->shown.size());
  }

  std::string plan_rows(const Request& request) {
    std::int64_t bytes = 0;
    std::size_t samples = 0;
    for (const Group& group : plan(*movie_, request.numbers("rows"), request.number("drop", 1))) {
      samples += group.samples.size();
      for (const int sample : group.samples) bytes += movie_->samples[sample].size;
    }
    return "\"samples\": " + std::to_string(samples) + ", \"bytes\": " + std::to_string(bytes);
  }

  std::string run_rows(const Request& request) {
    const std::vector<int> rows = request.numbers("rows");
    const auto whole = [&](const char* key, long otherwise) { return static_cast<int>(request.number(key, otherwise)); };
    const Settings settings{whole("width", movie_->parameters->width), whole("height", movie_->parameters->height), whole("decoders", 1), whole("threads", 1),
                            request.number("drop", 1) != 0};
    const std::size_t pitch = Output::pitch_of(settings.width, settings.height), size = pitch * rows.size();
    const bool fresh = request.number("fresh", 0);
    if (!fresh && recycled_size_ < size) {
      recycled_ = allocate(size);
      std::fill_n(recycled_.get(), size, 1);
      recycled_size_ = size;
    }
    reset_peak();
    const double start = wall(), used = cpu();
    const Memory own = fresh ? allocate(size) : nullptr;
    const Output output{fresh ? own.get() : recycled_.get(), pitch};
    run(*movie_, plan(*movie_, rows, settings.drop), settings, output);
    const double seconds = wall() - start, burnt = cpu() - used;
    const long peak = peak_bytes();
    std::string numbers;
    for (std::size_t i = 0; i < rows.size(); i++)
      numbers += (i ? ", " : "") + std::to_string(read_number(output.first + pitch * i, settings.width, settings.height, layout_));
    return "\"wall\": " + std::to_string(seconds) + ", \"cpu\": " + std::to_string(burnt) + ", \"peak_bytes\": " + std::to_string(peak) +
           ", \"output_bytes\": " + std::to_string(size) + ", \"numbers\": [" + numbers + "]";
  }

  std::optional<Movie> movie_;
  std::vector<int> layout_;
  Memory recycled_;
  std::size_t recycled_size_ = 0;
};

}  // namespace

int main() {
  av_log_set_level(AV_LOG_QUIET);
  Program program;
  bool failed = false;
  for (std::string line; std::getline(std::cin, line);) {
    try {
      const std::string answer = program.answer(Request(line));
      std::cout << "{" << answer << "}" << std::endl;
    } catch (const std::exception& error) {
      failed = true;
      std::cout << "{\"error\": \"" << error.what() << "\"}" << std::endl;
    }
  }
  return failed;
}
