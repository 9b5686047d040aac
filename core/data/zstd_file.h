// zstd by range: frames are restart points.
//
// A file of one long frame, as the zstd program writes it, has none: it is written anew into the
// cache as frames of 4 MiB, once.  Not here: dictionaries.
#pragma once

#include "core/data/chunked_file.h"
#include "core/data/file_range.h"

namespace rmkv {

class ZstdFile : public ChunkedFile {
 public:
  ZstdFile(const std::string& path, const std::string& cache_folder);

 protected:
  std::string load_chunk(size_t index) const override;

 private:
  bool index_frames();
  void write_frames(const std::string& target);

  std::string frames_path_;  // the file that the points refer to
  FileVersion version_;
  RestartIndex index_;
};

}  // namespace rmkv
