#pragma once

#include <stdexcept>
#include <string>

namespace hwang {

// What went wrong, in the terms of the Python package's exceptions.
enum class Kind { unsupported, corrupt, source, limit, stopped };

class Error : public std::runtime_error {
 public:
  Error(Kind kind, const std::string& message) : std::runtime_error(message), kind(kind) {}
  const Kind kind;
};

// Throws for a negative answer of libav*; returns it otherwise.
int check(int answer, Kind kind, const std::string& doing);

}  // namespace hwang
