// Text files as documents: whole files, or pieces of bounded size.  Paragraphs: line_source.h.
//
// Files are read by range when a document is asked for; opening reads their sizes only.  Text is
// bytes: nothing is decoded, normalised or repaired.
#pragma once

#include <string>
#include <vector>

#include "core/data/line_source.h"

namespace rmkv {

struct TextSourceOptions {
  // "pieces": files longer than document_bytes are cut at the last blank line, line end or blank
  // before it. "file": each file one document.
  std::string split = "pieces";
  // Largest piece.  0 = automatic: a 256th of all bytes, within 16 KiB and 1 MiB, so that many
  // lanes have different text to read and a lane still reads for hundreds of segments.
  int64_t document_bytes = 0;
  // Special tokens written in the text are read as such; plain text is plain text unless asked.
  bool special_tokens = false;
};

class TextSource : public DocumentSource {
 public:
  // At least one file, not all of them empty.
  TextSource(std::string name, std::vector<SourceFile> files, TextSourceOptions options);

  std::string name() const override { return name_; }
  uint64_t document_count() const override { return count_; }
  Document document(uint64_t id) const override;
  // Hash of the file's relative name and the piece's number in it.
  uint64_t document_key(uint64_t id) const override;
  Table manifest() const override;
  // The largest piece, chosen where the option leaves it open.
  int64_t piece_bytes() const { return static_cast<int64_t>(piece_bytes_); }

 private:
  struct File {
    SourceFile source;
    uint64_t first = 0;   // document
    uint64_t pieces = 0;  // documents
  };
  const File& file_of(uint64_t id) const;
  // Where piece `number` of a file begins, a pure function of the file: found when it is asked for,
  // so that opening a source of any size reads nothing.
  uint64_t cut(const File& file, uint64_t number) const;

  std::string name_;
  TextSourceOptions options_;
  std::vector<File> files_;
  uint64_t count_ = 0;
  uint64_t piece_bytes_ = 0;
};

}  // namespace rmkv
