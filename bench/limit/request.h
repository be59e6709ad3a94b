// One line of JSON that holds words, whole numbers and lists of them: all that the harness sends.
#pragma once

#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

class Request {
 public:
  explicit Request(std::string line) : line_(std::move(line)) {}

  std::string text(const std::string& key) const {
    const std::size_t start = value(key);
    if (start == std::string::npos || line_[start] != '"') return "";
    return line_.substr(start + 1, line_.find('"', start + 1) - start - 1);
  }

  long number(const std::string& key, long otherwise) const {
    const std::size_t start = value(key);
    return start == std::string::npos ? otherwise : std::strtol(&line_[start], nullptr, 10);
  }

  std::vector<int> numbers(const std::string& key) const {
    std::vector<int> found;
    const std::size_t start = value(key);
    if (start == std::string::npos || line_[start] != '[') return found;
    const char* at = &line_[start] + 1;
    for (char* end = nullptr;; at = end + (*end == ',')) {
      const long number = std::strtol(at, &end, 10);
      if (end == at) return found;
      found.push_back(static_cast<int>(number));
    }
  }

 private:
  std::size_t value(const std::string& key) const {
    const std::size_t name = line_.find('"' + key + "\":");
    return name == std::string::npos ? name : line_.find_first_not_of(' ', name + key.size() + 3);
  }

  std::string line_;
};
