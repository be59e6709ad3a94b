// Every sample of a file's video stream, and which of them is shown as which row.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "av.h"

struct Sample {
  std::int64_t pts;
  std::int64_t position;  // in the file
  int size;
  bool sync;
  bool disposable;      // no other picture refers to it
  Owned<AVPacket> kept;  // where the file's bytes are not the sample's
};

class Movie {
 public:
  explicit Movie(const std::string& path);
  ~Movie();
  Movie(const Movie&) = delete;
  Movie& operator=(const Movie&) = delete;

  std::vector<Sample> samples;  // in decoding order
  std::vector<int> shown;       // row -> sample
  Owned<AVCodecParameters> parameters;

  // Fills `packet` with a sample's bytes, read anew.
  void read(const Sample& sample, AVPacket* packet) const;
  // The sample to start decoding from for this one.
  int start_of(int sample) const;

 private:
  void scan();

  int file_ = -1;
  std::vector<int> syncs_;  // by time
};
