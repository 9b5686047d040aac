// Plain text files cut into documents.
#include "core/data/text_source.h"

#include <algorithm>

#include "core/base/option_reader.h"
#include "core/base/random.h"
#include "core/data/file_range.h"
#include "core/data/manifest.h"

namespace rmkv {

namespace {

constexpr uint64_t kSmallestAutomatic = uint64_t{16} << 10;
constexpr uint64_t kLargestAutomatic = uint64_t{1} << 20;
constexpr uint64_t kAutomaticPieces = 256;
constexpr size_t kScanBytes = size_t{1} << 20;

bool is_blank(char c) {
  return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

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

TextSource::TextSource(std::string name, const std::vector<std::string>& paths,
                       const std::string& root, TextSourceOptions options)
    : name_(std::move(name)), options_(std::move(options)) {
  if (paths.empty()) fail("source " + name_, "no files", "at least one");
  if (options_.document_bytes < 0) {
    fail("source " + name_ + ": document_bytes", std::to_string(options_.document_bytes),
         "0 or more");
  }
  uint64_t total_bytes = 0;
  for (const std::string& path : paths) {
    std::string relative = path;
    if (path.size() > root.size() && path.compare(0, root.size(), root) == 0) {
      relative = path.substr(root.size());
      relative.erase(0, relative.find_first_not_of('/'));
    }
    files_.push_back({path, relative, RangeReader(path).size_bytes()});
    total_bytes += files_.back().size_bytes;
  }
  uint64_t limit = static_cast<uint64_t>(options_.document_bytes);
  if (limit == 0) {
    limit = std::clamp(total_bytes / kAutomaticPieces, kSmallestAutomatic, kLargestAutomatic);
  }
  for (uint32_t file = 0; file < files_.size(); ++file) {
    if (options_.split == "paragraphs") {
      cut_paragraphs(file);
    } else if (options_.split == "file") {
      if (files_[file].size_bytes > 0) pieces_.push_back({file, 0, 0, files_[file].size_bytes});
    } else if (options_.split == "pieces") {
      cut_file(file, limit);
    } else {
      fail_because("source " + name_,
                   unknown_name_text("split", options_.split, {"pieces", "file", "paragraphs"}));
    }
  }
  if (pieces_.empty()) {
    fail("source " + name_,
         files_.size() == 1 ? files_[0].path + ", which is empty"
                            : std::to_string(files_.size()) + " empty files",
         "text");
  }
}

void TextSource::cut_file(uint32_t file, uint64_t limit_bytes) {
  uint64_t size = files_[file].size_bytes;
  if (size == 0) return;
  // Equal pieces, so that no small rest is left over.
  uint64_t count = (size + limit_bytes - 1) / limit_bytes;
  RangeReader reader(files_[file].path);
  uint64_t begin = 0;
  uint32_t number = 0;
  while (begin < size) {
    uint64_t target =
        std::max(begin + 1, (number + 1) * (size / count) + (number + 1) * (size % count) / count);
    uint64_t end = size;
    if (number + 1 < count && target < size) {
      // Looks back at most a quarter of the piece for a good place.
      uint64_t low = target - std::min(target - begin - 1, limit_bytes / 4);
      std::string window = reader.read(low, target - low);
      end = low + best_cut(window);
      if (end <= begin) end = target;
    }
    pieces_.push_back({file, number++, begin, end});
    begin = end;
  }
}

void TextSource::cut_paragraphs(uint32_t file) {
  // A paragraph ends at two line ends with nothing but blanks between.
  RangeReader reader(files_[file].path);
  std::string chunk(kScanBytes, '\0');
  uint64_t begin = 0, position = 0, last_text_end = 0;
  uint32_t number = 0;
  bool in_text = false;
  int line_ends = 0;
  while (size_t got = reader.read_some(position, chunk.data(), chunk.size())) {
    for (size_t i = 0; i < got; ++i) {
      char c = chunk[i];
      if (is_blank(c)) {
        if (c == '\n' && in_text && ++line_ends == 2) {
          pieces_.push_back({file, number++, begin, last_text_end});
          in_text = false;
        }
      } else {
        if (!in_text) begin = position + i;
        in_text = true;
        line_ends = 0;
        last_text_end = position + i + 1;
      }
    }
    position += got;
  }
  if (in_text) pieces_.push_back({file, number, begin, last_text_end});
}

Document TextSource::document(uint64_t index) const {
  const Piece& piece = pieces_.at(index);
  const File& file = files_[piece.file];
  Document document;
  document.text = RangeReader(file.path).read(piece.begin, piece.end - piece.begin);
  document.parse_special = options_.special_tokens;
  document.ends = options_.split != "pieces" || piece.end == file.size_bytes;
  return document;
}

uint64_t TextSource::document_key(uint64_t index) const {
  const Piece& piece = pieces_.at(index);
  return mix64(hash_name(files_[piece.file].relative_name), piece.number);
}

Table TextSource::manifest() const {
  List files;
  for (const File& file : files_) files.push_back(describe_file(file.path, file.relative_name));
  return {{"kind", "text"},
          {"split", options_.split},
          {"document_bytes", options_.document_bytes},
          {"special_tokens", options_.special_tokens},
          {"files", std::move(files)}};
}

}  // namespace rmkv
