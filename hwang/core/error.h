#pragma once

#include <stdexcept>
#include <string>
#include <system_error>

namespace hwang {

// Kinds of error, one for each exception class of the Python package.
enum class Kind { unsupported, corrupt, source, limit, stopped };

class Error : public std::runtime_error {
 public:
  Error(Kind kind, const std::string& message) : std::runtime_error(message), kind(kind) {}
  const Kind kind;
};

// A file cannot be written; `number` is the errno.
class WriteError : public std::runtime_error {
 public:
  explicit WriteError(int number)
      : std::runtime_error("the file cannot be written: " + std::generic_category().message(number)), number(number) {}
  const int number;
};

}  // namespace hwang
