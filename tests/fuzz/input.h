// What the fuzz targets share: an input as one or several files, and parsers that may refuse it.
//
// A target is LLVMFuzzerTestOneInput of one tests/fuzz/fuzz_NAME.cpp; scripts/fuzz builds and runs
// them.  A refusal is an Error; any other exception, a sanitizer's finding, a hang or a large
// allocation is a fault.  Seeds: seeds.cpp.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/error.h"

namespace rmkv::fuzz {

inline std::string_view view(const uint8_t* data, size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

// Calls `parse`; most inputs are refused.  False when this one was.
template <typename Parse>
bool accepts(Parse parse) {
  try {
    parse();
    return true;
  } catch (const Error&) {
    return false;
  }
}

// An input as `count` pieces: each but the last behind its length in two bytes, little-endian.  A
// length that is too large takes the rest, so that every input is some pieces.
inline std::vector<std::string_view> pieces(std::string_view input, size_t count) {
  std::vector<std::string_view> found(count);
  for (size_t i = 0; i + 1 < count && input.size() >= 2; ++i) {
    const size_t length =
        static_cast<unsigned char>(input[0]) + 256 * static_cast<unsigned char>(input[1]);
    found[i] = input.substr(2, length);
    input.remove_prefix(2 + found[i].size());
  }
  found.back() = input;
  return found;
}

// The inverse, for seeds; all but the last shorter than 64 KiB.
inline std::string joined(const std::vector<std::string>& given) {
  std::string input;
  for (size_t i = 0; i < given.size(); ++i) {
    if (i + 1 < given.size()) {
      input += static_cast<char>(given[i].size() & 255);
      input += static_cast<char>(given[i].size() >> 8);
    }
    input += given[i];
  }
  return input;
}

// Every byte of memory that a parser points to must be there: the sum is for the sanitizer.
inline void touch(const void* data, uint64_t size) {
  const auto* bytes = static_cast<const uint8_t*>(data);
  uint64_t sum = 0;
  for (uint64_t i = 0; i < size; i += 64) sum += bytes[i];
  if (size > 0) sum += bytes[size - 1];
  volatile uint64_t seen = sum;
  (void)seen;
}

}  // namespace rmkv::fuzz
