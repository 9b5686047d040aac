// A file's content by range, whatever lies under it: a plain file, gzip, zstd, a file of the hub.
//
// Content means the uncompressed bytes.  Objects are immutable and shared by threads.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/base/value.h"

namespace rmkv {

class ByteFile {
 public:
  virtual ~ByteFile() = default;

  // For messages.
  const std::string& path() const { return path_; }
  // Of the content.
  uint64_t size_bytes() const { return size_bytes_; }

  // Reads up to `length` bytes from `begin` on; fewer only at the end of the content.
  virtual size_t read_some(uint64_t begin, char* target, size_t length) const = 0;
  // Where reading may begin without work on what lies before; empty: anywhere.
  virtual std::vector<uint64_t> restart_points() const { return {}; }

  // {path = name, size, hash} for a manifest.
  virtual Table describe(const std::string& name) const;

  // Exactly these bytes; throws when the content ends before.
  std::string read(uint64_t begin, uint64_t length) const;

 protected:
  explicit ByteFile(std::string path) : path_(std::move(path)) {}

  std::string path_;
  uint64_t size_bytes_ = 0;
};

using ByteFilePtr = std::shared_ptr<const ByteFile>;

// By the ending of the name: .gz, .zst, else plain.  Compressed files are read through once, to
// find restart points, which are kept in `cache_folder` (made when needed).
ByteFilePtr open_byte_file(const std::string& path, const std::string& cache_folder);

// Whether the name ends like a compressed file, and the name without that ending.
bool is_compressed(const std::string& path);
std::string without_compression(const std::string& path);

// $RMKV_CACHE, else $XDG_CACHE_HOME/rmkv, else ~/.cache/rmkv.
std::string default_cache_folder();
// A name in the cache that stays with this version of the file: a hash of path, size and time of
// change.
std::string cache_name(const std::string& path);

}  // namespace rmkv
