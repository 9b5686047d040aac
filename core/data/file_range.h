// Reading parts of files that may be changed by others meanwhile: plain reads, no mapping, so that
// a file that shrinks is an error and not a crash.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace rmkv {

// An open file for reads at any place; closed on destruction.  Thread-safe.
class RangeReader {
 public:
  explicit RangeReader(const std::string& path);
  ~RangeReader();
  RangeReader(const RangeReader&) = delete;
  RangeReader& operator=(const RangeReader&) = delete;

  uint64_t size_bytes() const { return size_bytes_; }
  // Up to `length` bytes from `begin`, fewer only at the end of the file.
  size_t read_some(uint64_t begin, char* target, size_t length) const;
  // Exactly the range; throws when the file ends before.
  std::string read(uint64_t begin, uint64_t length) const;

 private:
  std::string path_;
  int handle_;
  uint64_t size_bytes_;
};

}  // namespace rmkv
