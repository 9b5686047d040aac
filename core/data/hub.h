// Data sets of the Hugging Face hub: from a local cache, or over HTTP in ranges of 8 MiB that are
// kept in a cache of our own.
//
// Endpoints as in huggingface_hub: /api/datasets/REPO/revision/REV, /api/datasets/REPO/tree/COMMIT,
// /datasets/REPO/resolve/COMMIT/PATH.  A revision is turned into a commit once, so that data cannot
// change under a run.  Environment: HF_ENDPOINT, HF_TOKEN, HF_TOKEN_PATH, HF_HOME, HF_HUB_OFFLINE.
#pragma once

#include <mutex>
#include <string>
#include <vector>

#include "core/data/chunked_file.h"
#include "core/data/hub_path.h"
#include "core/data/line_source.h"

namespace rmkv {

struct HubData {
  std::vector<SourceFile> files;
  std::string commit;  // "" of a local folder
};

// The files of a configuration and split, opened.  Looks into local caches first, unless a revision
// other than a commit would have to be asked for.
HubData open_hub(const HubPath& path, const std::string& cache_folder);

// A file of the hub; only what is read is fetched, in chunks that are kept.  Every answer has to
// name the listed content (X-Linked-Etag, ETag).  Once all chunks are there, in this run or over
// several, a file whose SHA-256 the hub lists is hashed as a whole: what was damaged on the way is
// thrown away and named.
class HubFile : public ChunkedFile {
 public:
  static constexpr uint64_t kChunkBytes = uint64_t{8} << 20;

  // `folder`: where its chunks are kept.
  HubFile(std::string url, std::string token, uint64_t size_bytes, std::string identity,
          std::string folder, uint64_t chunk_size = kChunkBytes);

  Table describe(const std::string& name) const override;
  // The whole file on disk, for readers that need one; fetched when it is not there.
  std::string whole(const std::string& name) const;

 protected:
  std::string load_chunk(size_t index) const override;

 private:
  std::string chunk_path(size_t index) const;
  bool has_chunk(size_t index) const;
  std::string fetch(size_t index) const;
  // Hashes the file unless that was done or a part is missing.
  void check_when_whole() const;

  std::string token_, identity_, folder_;
  mutable std::mutex check_mutex_;
  mutable bool looked_ = false;  // for a file that was whole when it was opened
};

}  // namespace rmkv
