// Reading parts of files that may be changed by others meanwhile: plain reads, no mapping, so that
// a file that shrinks is an error and not a crash.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace rmkv {

// By which a file that was written to, or replaced, is told from the one that was opened before.
struct FileVersion {
  uint64_t size_bytes = 0;
  int64_t modified_ns = 0;
  bool operator==(const FileVersion&) const = default;
};

// An open file for reads at any place; closed on destruction.  Thread-safe.
class RangeReader {
 public:
  explicit RangeReader(const std::string& path);
  // Opens the file again; throws when it is not the same version.
  RangeReader(const std::string& path, const FileVersion& seen);
  ~RangeReader();
  RangeReader(const RangeReader&) = delete;
  RangeReader& operator=(const RangeReader&) = delete;

  uint64_t size_bytes() const { return version_.size_bytes; }
  const FileVersion& version() const { return version_; }
  // Up to `length` bytes from `begin`, fewer only at the end of the file.
  size_t read_some(uint64_t begin, char* target, size_t length) const;
  // Exactly the range; throws when the file ends before.
  std::string read(uint64_t begin, uint64_t length) const;

 private:
  std::string path_;
  int handle_;
  FileVersion version_;
};

}  // namespace rmkv
