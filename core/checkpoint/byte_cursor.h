// Reads little-endian fields one after the other and refuses what is not there.
//
// For the packed binary formats (ggmf, GGUF).  Every refusal names the file, the byte and the
// field.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "core/base/error.h"

namespace rmkv {

static_assert(std::endian::native == std::endian::little, "model files are little-endian");

class ByteCursor {
 public:
  ByteCursor(std::string_view bytes, const std::string& name) : bytes_(bytes), name_(name) {}

  uint64_t place() const { return place_; }
  uint64_t left() const { return bytes_.size() - place_; }

  std::string_view take(uint64_t count, const char* field) {
    if (count > left()) {
      fail(name_ + ": byte " + std::to_string(place_),
           std::to_string(left()) + " bytes left of the file",
           std::to_string(count) + " for " + field, "the file is cut short or damaged");
    }
    const std::string_view piece = bytes_.substr(place_, count);
    place_ += count;
    return piece;
  }

  template <typename T>
  T number(const char* field) {
    T value;
    std::memcpy(&value, take(sizeof value, field).data(), sizeof value);
    return value;
  }

  // Throws Error("file: field: got .., expected ..") when the number is not in the range.
  int64_t number_within(int64_t value, int64_t low, int64_t high, const std::string& field) const {
    if (value < low || value > high) {
      fail(name_ + ": " + field, std::to_string(value),
           std::to_string(low) + " .. " + std::to_string(high));
    }
    return value;
  }

 private:
  std::string_view bytes_;
  const std::string& name_;
  uint64_t place_ = 0;
};

}  // namespace rmkv
