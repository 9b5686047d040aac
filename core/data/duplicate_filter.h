// Exact deduplication: of documents with the same text, the one with the smallest id stays.
//
// Which ids go is found by one pass over the source when it is opened, and kept in the cache folder
// under the hash of the source's manifest: a stream that resumes, or another run on the same files,
// reads nothing again, and no decision depends on what a stream has read so far.  Texts are
// compared by 128-bit XXH3 hashes.  Memory of the pass: 24 bytes a document up to `memory_mb`, then
// the hashes go to 256 files in the cache folder that are sorted one by one; of the stream: 8 bytes
// a duplicate.
#pragma once

#include "core/base/option_reader.h"
#include "core/data/filter.h"

namespace rmkv {

struct DuplicateOptions {
  int64_t memory_mb = 256;  // of the pass
};

class DuplicateFilter : public DocumentFilter {
 public:
  // Reads the source once unless its scan is kept.  Throws for sources without end.
  DuplicateFilter(OptionReader& reader, const SourcePtr& source, const std::string& cache_folder);

  std::vector<std::string> rules() const override { return {"dedup.duplicate"}; }
  int judge(uint64_t id, Document& document, TextScan& scan, bool& edited) const override;
  Table to_table() const override;

 private:
  void scan_source(const DocumentSource& source, const std::string& folder);
  bool read_kept(const std::string& path);

  DuplicateOptions options_;
  std::vector<uint64_t> dropped_;  // ids, ascending
  uint64_t documents_ = 0;
};

// The ids among (hash, id) pairs whose hash came with a smaller id, ascending; pairs beyond
// `most_in_memory` are kept in files of `folder` meanwhile.  Seen alone for tests.
class DuplicateFinder {
 public:
  struct Hash {
    uint64_t high = 0, low = 0;
  };
  DuplicateFinder(std::string folder, size_t most_in_memory);
  ~DuplicateFinder();
  DuplicateFinder(const DuplicateFinder&) = delete;
  DuplicateFinder& operator=(const DuplicateFinder&) = delete;

  void add(Hash hash, uint64_t id);
  std::vector<uint64_t> finish();

 private:
  struct Entry {
    Hash hash;
    uint64_t id;
  };
  std::string part_path(size_t part) const;
  void spill();
  static void collect(std::vector<Entry>& entries, std::vector<uint64_t>& duplicates);

  std::string folder_;
  size_t most_;
  bool spilled_ = false;
  std::vector<Entry> entries_;
};

}  // namespace rmkv
