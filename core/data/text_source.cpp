// Plain text files cut into documents.
#include "core/data/text_source.h"

#include <algorithm>

#include "core/base/option_reader.h"
#include "core/base/random.h"

namespace rmkv {

namespace {

constexpr uint64_t kSmallestAutomatic = uint64_t{16} << 10;
constexpr uint64_t kLargestAutomatic = uint64_t{1} << 20;
constexpr uint64_t kAutomaticPieces = 256;
// One document is held in memory several times over.
constexpr uint64_t kLargestWhole = uint64_t{1} << 30;

// The best place to cut in `window`: behind the last blank line, else behind the last line end,
// else behind the last blank, else before the last byte that begins a UTF-8 character, else its
// end.
size_t best_cut(std::string_view window) {
  size_t at = window.rfind("\n\n");
  if (at != std::string_view::npos) return at + 2;
  at = window.rfind("\r\n\r\n");
  if (at != std::string_view::npos) return at + 4;
  at = window.rfind('\n');
  if (at != std::string_view::npos) return at + 1;
  at = window.rfind(' ');
  if (at != std::string_view::npos) return at + 1;
  for (size_t i = window.size(); i-- > 0 && window.size() - i <= 4;) {
    if ((static_cast<unsigned char>(window[i]) & 0xC0) != 0x80) return i > 0 ? i : window.size();
  }
  return window.size();
}

}  // namespace

TextSource::TextSource(std::string name, std::vector<SourceFile> files, TextSourceOptions options)
    : name_(std::move(name)), options_(std::move(options)) {
  std::string where = "source " + name_;
  if (files.empty()) fail(where, "no files", "at least one");
  if (options_.document_bytes < 0)
    fail(where + ": document_bytes", std::to_string(options_.document_bytes), "0 or more");
  bool whole = options_.split == "file";
  if (!whole && options_.split != "pieces")
    fail_because(where, unknown_name_text("split", options_.split, {"pieces", "file"}));
  uint64_t total_bytes = 0;
  for (const SourceFile& file : files) total_bytes += file.file->size_bytes();
  uint64_t limit = static_cast<uint64_t>(options_.document_bytes);
  if (limit == 0)
    limit = std::clamp(total_bytes / kAutomaticPieces, kSmallestAutomatic, kLargestAutomatic);
  piece_bytes_ = limit;
  for (SourceFile& given : files) {
    uint64_t size = given.file->size_bytes();
    if (whole && size > kLargestWhole) {
      fail(given.file->path(), std::to_string(size) + " bytes as one document",
           "at most " + std::to_string(kLargestWhole), "split = \"pieces\"");
    }
    File file{std::move(given), count_, size == 0 ? 0 : whole ? 1 : (size + limit - 1) / limit};
    count_ += file.pieces;
    files_.push_back(std::move(file));
  }
  if (count_ == 0) {
    fail(where,
         files_.size() == 1 ? files_[0].source.file->path() + ", which is empty"
                            : std::to_string(files_.size()) + " empty files",
         "text");
  }
}

const TextSource::File& TextSource::file_of(uint64_t id) const {
  RMKV_ASSERT(id < count_);
  auto next = std::upper_bound(files_.begin(), files_.end(), id,
                               [](uint64_t at, const File& file) { return at < file.first; });
  return *(next - 1);
}

uint64_t TextSource::cut(const File& file, uint64_t number) const {
  uint64_t size = file.source.file->size_bytes();
  if (number == 0 || number >= file.pieces) return number == 0 ? 0 : size;
  // Equal pieces, so that no small rest is left over.
  uint64_t target = number * (size / file.pieces) + number * (size % file.pieces) / file.pieces;
  // Looks back at most a quarter of a piece for a good place: cuts never meet.
  uint64_t look = size / file.pieces / 4;
  if (look == 0) return target;
  return target - look + best_cut(file.source.file->read(target - look, look));
}

Document TextSource::document(uint64_t id) const {
  const File& file = file_of(id);
  uint64_t number = id - file.first, begin = cut(file, number), end = cut(file, number + 1);
  Document document;
  document.text = file.source.file->read(begin, end - begin);
  document.parse_special = options_.special_tokens;
  document.ends = number + 1 == file.pieces;
  return document;
}

uint64_t TextSource::document_key(uint64_t id) const {
  const File& file = file_of(id);
  return mix64(hash_name(file.source.relative_name), id - file.first);
}

Table TextSource::manifest() const {
  List files;
  for (const File& file : files_)
    files.push_back(file.source.file->describe(file.source.relative_name));
  return {{"kind", "text"},
          {"split", options_.split},
          {"document_bytes", options_.document_bytes},
          {"special_tokens", options_.special_tokens},
          {"files", std::move(files)}};
}

}  // namespace rmkv
