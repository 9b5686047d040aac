// gzip by range: restart points every few mebibytes, as zlib's example zran.c does it.
//
// A deflate stream refers to the 32 KiB before; the index in the cache keeps them for each point.
// Several members in one file follow each other.  Not here: writing.
#pragma once

#include "core/data/chunked_file.h"
#include "core/data/file_range.h"

namespace rmkv {

class GzipFile : public ChunkedFile {
 public:
  // Reads the index from `cache_folder`, or makes it by one pass over the file.
  GzipFile(const std::string& path, const std::string& cache_folder);

 protected:
  std::string load_chunk(size_t index) const override;

 private:
  void build();

  std::string index_path_;
  std::string windows_path_;  // the histories, one after another
  FileVersion version_;
  RestartIndex index_;
};

}  // namespace rmkv
