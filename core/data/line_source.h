// Rows in text files, one after another: JSON lines, CSV, TSV, paragraphs; plain or compressed.
//
// A block is the rows that begin in one mebibyte of content (in one chunk of a compressed file), so
// blocks are known from sizes.  Only CSV, where a quoted field may hold line ends, is read through
// once to know for each block whether it begins inside quotes.  A row that is damaged is a
// BadDocument with file and place.
#pragma once

#include <string>
#include <vector>

#include "core/data/block_source.h"
#include "core/data/byte_file.h"
#include "core/data/row_mapper.h"

namespace rmkv {

enum class LineFormat { kJson, kCsv, kTsv, kParagraphs };

struct LineOptions {
  LineFormat format = LineFormat::kJson;
  RowOptions row;
  // CSV and TSV: names of the columns where the files have no first line with them.
  std::vector<std::string> header;
  std::string cache_folder;  // for compressed files
};

// A file of a source, opened.
struct SourceFile {
  ByteFilePtr file;
  std::string relative_name;  // in the manifest: below the folder that was named
};

// Opens files; `root` is cut from their relative names.
std::vector<SourceFile> open_source_files(const std::vector<std::string>& paths,
                                          const std::string& root, const std::string& cache_folder);

class LineSource : public BlockSource {
 public:
  LineSource(std::string name, std::vector<SourceFile> files, LineOptions options);

  std::string name() const override { return name_; }
  uint64_t block_count() const override { return blocks_; }
  uint64_t block_text_bytes() const override { return total_bytes_ / blocks_ + 1; }
  Document document(uint64_t id) const override;
  // Hash of the file's relative name and the row's place in it.
  uint64_t document_key(uint64_t id) const override;
  Table manifest() const override;

 protected:
  std::shared_ptr<const RowBlock> load(uint64_t index) const override;

 private:
  struct File {
    SourceFile source;
    uint64_t first_block = 0;
    std::vector<uint64_t> begins;  // of its blocks; empty: every mebibyte
    std::vector<bool> quoted;      // CSV: the block begins inside quotes
    std::vector<std::string> header;
    uint64_t header_end = 0;  // where rows begin
  };
  struct Lines;
  struct Span {
    const File* file;
    uint64_t begin, end;
    bool quoted;
  };
  Span span_of(uint64_t block) const;
  void prepare_table(File& file);
  void choose();
  std::string place(uint64_t id) const;

  std::string name_;
  LineOptions options_;
  std::vector<File> files_;
  RowMapper mapper_;
  uint64_t blocks_ = 0;
  uint64_t total_bytes_ = 0;
};

}  // namespace rmkv
