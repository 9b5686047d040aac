// Data sets of the Hugging Face hub: from a local cache, or over HTTP in ranges of 8 MiB that are
// kept in a cache of our own.
//
// Endpoints as in huggingface_hub: /api/datasets/REPO/revision/REV, /api/datasets/REPO/tree/COMMIT,
// /datasets/REPO/resolve/COMMIT/PATH.  A revision is turned into a commit once, so that data cannot
// change under a run.  Environment: HF_ENDPOINT, HF_TOKEN, HF_TOKEN_PATH, HF_HOME, HF_HUB_OFFLINE.
#pragma once

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

// A file of the hub; only what is read is fetched.  Every answer has to name the listed content
// (X-Linked-Etag, ETag); what is fetched whole, and files of one chunk, are checked by the SHA-256
// that the hub lists for large files.
class HubFile : public ChunkedFile {
 public:
  // `folder`: where its chunks are kept.
  HubFile(std::string url, std::string token, uint64_t size_bytes, std::string identity,
          std::string folder);

  Table describe(const std::string& name) const override;
  // The whole file on disk, for readers that need one; fetched when it is not there.
  std::string whole(const std::string& name) const;

 protected:
  std::string load_chunk(size_t index) const override;

 private:
  std::string token_, identity_, folder_;
};

}  // namespace rmkv
