// A file whose content can only be had in chunks: decompressed, or fetched.
//
// The last few chunks are kept, so that reading one piece by piece costs it once: a few of all
// files together, however many are open.
#pragma once

#include "core/data/byte_file.h"

namespace rmkv {

class ChunkedFile : public ByteFile {
 public:
  ~ChunkedFile() override;
  size_t read_some(uint64_t begin, char* target, size_t length) const override;
  std::vector<uint64_t> restart_points() const override { return begins_; }

 protected:
  explicit ChunkedFile(std::string path);

  // The whole content of chunk `index`.  Called by many threads at once.
  virtual std::string load_chunk(size_t index) const = 0;
  // Ascending, the first 0; empty when the content is.  Chunk i ends where the next one begins.
  std::vector<uint64_t> begins_;
  uint64_t chunk_bytes(size_t index) const;

 private:
  std::shared_ptr<const std::string> chunk(size_t index) const;

  const uint64_t number_;  // of this file among all of the process
};

// A restart point of a compressed file as it is kept in the cache.
struct RestartPoint {
  uint64_t content_offset = 0;
  uint64_t file_offset = 0;
  uint64_t bits = 0;           // gzip: bits of the byte before that belong to the block
  uint64_t window_offset = 0;  // gzip: of the history in the index file
  uint64_t window_bytes = 0;   // zstd: of the chunk in the file
};

// Of content; no compressor makes blocks near that.
inline constexpr uint64_t kLargestChunk = uint64_t{512} << 20;

// Index files: a magic word, the size of the content, the points; what they need stands behind.
struct RestartIndex {
  uint64_t content_bytes = 0;
  std::vector<RestartPoint> points;

  // Nothing when there is no such file or it is damaged.
  bool read(const std::string& path);
  std::string header() const;

 private:
  bool is_sound() const;
};

}  // namespace rmkv
