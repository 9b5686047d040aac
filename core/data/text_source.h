// Plain text files as documents: whole files, pieces of bounded size, or paragraphs.
//
// Files are read by range when a document is asked for; only the places of the cuts are kept.  Text
// is bytes: nothing is decoded, normalised or repaired.
#pragma once

#include <string>
#include <vector>

#include "core/data/source.h"

namespace rmkv {

struct TextSourceOptions {
  // "pieces": files longer than document_bytes are cut at the last blank line, line end or blank
  // before it. "file": each file one document.  "paragraphs": blank lines divide documents.
  std::string split = "pieces";
  // Largest piece.  0 = automatic: a 256th of all bytes, within 16 KiB and 1 MiB, so that many
  // lanes have different text to read and a lane still reads for hundreds of segments.
  int64_t document_bytes = 0;
  // Special tokens written in the text are read as such; plain text is plain text unless asked.
  bool special_tokens = false;
};

class TextSource : public DocumentSource {
 public:
  // `paths`: files, at least one, each not empty; `root` is cut from their names in the manifest.
  TextSource(std::string name, const std::vector<std::string>& paths, const std::string& root,
             TextSourceOptions options);

  std::string name() const override { return name_; }
  uint64_t document_count() const override { return pieces_.size(); }
  Document document(uint64_t index) const override;
  // Hash of the file's relative name and the piece's number in it.
  uint64_t document_key(uint64_t index) const override;
  Table manifest() const override;

 private:
  struct File {
    std::string path;
    std::string relative_name;
    uint64_t size_bytes;
  };
  struct Piece {
    uint32_t file;
    uint32_t number;  // in the file
    uint64_t begin;
    uint64_t end;
  };
  void cut_file(uint32_t file, uint64_t limit_bytes);
  void cut_paragraphs(uint32_t file);

  std::string name_;
  TextSourceOptions options_;
  std::vector<File> files_;
  std::vector<Piece> pieces_;
};

}  // namespace rmkv
