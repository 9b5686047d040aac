// Parquet tables as rows: a block is a row group, or a slice of a large one.
//
// Reads footers when it is opened and only the columns that the templates name afterwards.  The
// reading itself is Arrow's, behind parquet_library.h.
#pragma once

#include <list>
#include <mutex>
#include <string>
#include <vector>

#include "core/data/block_source.h"
#include "core/data/line_source.h"
#include "core/data/parquet/plugin.h"
#include "core/data/row_mapper.h"

namespace rmkv {

class ParquetSource : public BlockSource {
 public:
  ParquetSource(std::string name, std::vector<SourceFile> files, RowOptions options);
  ~ParquetSource() override;

  std::string name() const override { return name_; }
  uint64_t block_count() const override { return blocks_.size(); }
  uint64_t block_text_bytes() const override { return total_bytes_ / blocks_.size() + 1; }
  // Known from the footers.
  uint64_t rows(uint64_t block) const override { return blocks_.at(block).rows; }
  uint64_t document_count() const override { return count_; }
  Document document(uint64_t id) const override;
  // Hash of the file's relative name and the row's number in it.
  uint64_t document_key(uint64_t id) const override;
  Table manifest() const override;

 protected:
  std::shared_ptr<const RowBlock> load(uint64_t index) const override;

 private:
  struct Block {
    uint32_t file, group;
    uint32_t first_row;  // in the group
    uint32_t rows;
    uint64_t file_row;  // of its first row in the file
  };
  struct Rows;
  class Row;
  using FileHandle = std::shared_ptr<rmkv_parquet_file>;
  FileHandle open(uint32_t file) const;
  void choose_columns(rmkv_parquet_file* file);
  void choose_templates(rmkv_parquet_file* file);
  void add_blocks(uint32_t index, rmkv_parquet_file* file);
  std::string place(uint64_t id) const;

  std::string name_;
  std::vector<SourceFile> files_;
  RowMapper mapper_;
  std::vector<std::string> columns_;  // read from every file, in the order of the first
  std::vector<Block> blocks_;
  uint64_t total_bytes_ = 0;
  uint64_t count_ = 0;
  mutable std::mutex mutex_;
  mutable std::list<std::pair<uint32_t, FileHandle>> recent_;  // the last used first
};

// Writes columns of text; codec as Arrow calls them: "zstd", "snappy", "gzip", "brotli",
// "lz4_raw", "uncompressed".
struct TextTable {
  std::vector<std::string> names;
  std::vector<std::vector<std::string>> columns;
};
void write_parquet(const std::string& path, const TextTable& table, int64_t group_rows,
                   const std::string& codec);

}  // namespace rmkv
