// Files of token ids made by other programs: .npy, Megatron-LM's .bin with .idx, llm.c's .bin.
//
// Formats: NumPy's "npy format", Megatron-LM core/datasets/indexed_dataset.py, llm.c
// dataloader.h.  Documents of Megatron-LM and rows of a two-dimensional array are documents here;
// everything else is cut into pieces.  Ids are checked against the stream's vocabulary when they
// are read (encoded_document.h).  Every size in a header is checked against the file.
#pragma once

#include <string>
#include <vector>

#include "core/data/line_source.h"

namespace rmkv {

struct TokenSourceOptions {
  int64_t piece_tokens = 8192;
  // The id between documents; pieces are cut before one where there is one in their last quarter.
  // -1: that of the format (50256 in llm.c's GPT-2 files), none where the format has none.
  int64_t separator = -1;
};

class TokenSource : public DocumentSource {
 public:
  TokenSource(std::string name, std::vector<SourceFile> files, TokenSourceOptions options);

  std::string name() const override { return name_; }
  uint64_t document_count() const override { return count_; }
  Document document(uint64_t id) const override;
  uint64_t document_key(uint64_t id) const override;
  Table manifest() const override;

 private:
  struct File {
    SourceFile source;
    ByteFilePtr index;  // Megatron-LM's .idx
    int width = 2;      // bytes of a token
    bool is_signed = false;
    uint64_t begin = 0;  // byte of the first token
    uint64_t tokens = 0;
    uint64_t row_tokens = 0;  // of a two-dimensional array
    uint64_t sequences = 0, lengths_at = 0, pointers_at = 0, documents_at = 0;  // in the .idx
    int64_t separator = -1;
    uint64_t first = 0;  // document
    uint64_t documents = 0;
  };
  static void read_npy(File& file);
  static void read_llmc(File& file);
  static void read_megatron(File& file, const std::string& cache_folder);
  const File& file_of(uint64_t id) const;
  std::vector<int32_t> read(const File& file, uint64_t first_token, uint64_t count) const;
  uint64_t cut(const File& file, uint64_t number) const;

  std::string name_;
  TokenSourceOptions options_;
  std::vector<File> files_;
  uint64_t count_ = 0;
};

}  // namespace rmkv
