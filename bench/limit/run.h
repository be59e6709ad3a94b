// Frames of a movie by row, with nothing done that they do not need.
#pragma once

#include <cstdint>
#include <vector>

#include "movie.h"

struct Settings {
  int width, height;  // of the output
  int decoders;       // at work at the same time, each in a thread
  int threads;        // of each decoder
  bool drop;          // leave out pictures that nobody refers to and nobody asks for
};

// Where frame i of the answer goes: rows of RGB24 without gaps, with some slack behind the last for whole vectors.
struct Output {
  std::uint8_t* first;
  std::size_t pitch;  // from one frame to the next

  static std::size_t pitch_of(int width, int height) { return (static_cast<std::size_t>(width) * height * 3 / 64 + 2) * 64; }
};

// A group of pictures from its start up to the last one wanted.
struct Group {
  std::vector<int> samples;  // to be decoded, in decoding order
  std::vector<std::pair<std::int64_t, int>> wanted;  // (pts, place in the answer), ascending
};

std::vector<Group> plan(const Movie& movie, const std::vector<int>& rows, bool drop);

// Writes frame `rows[i]` to place i of `output`. Throws if one does not come.
void run(const Movie& movie, const std::vector<Group>& groups, const Settings& settings, const Output& output);
