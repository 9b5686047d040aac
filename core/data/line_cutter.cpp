// Cutting with a look behind a block's borders.
#include "core/data/line_cutter.h"

#include <algorithm>
#include <cstring>

#include "core/base/error.h"

namespace rmkv {

namespace {

constexpr uint64_t kMoreBytes = uint64_t{64} << 10;  // read at a time behind a block

bool is_blank(char c) {
  return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

// The next line end from `at` on that is outside of quotes; npos when there is none, with the state
// at the end of the text in `quoted`.
size_t line_end(std::string_view text, size_t at, bool quotes, bool& quoted) {
  while (at < text.size()) {
    if (!quotes) {
      const void* found = std::memchr(text.data() + at, '\n', text.size() - at);
      return found ? static_cast<size_t>(static_cast<const char*>(found) - text.data())
                   : std::string_view::npos;
    }
    size_t next = quoted ? text.find('"', at) : text.find_first_of("\"\n", at);
    if (next == std::string_view::npos) return next;
    if (text[next] == '\n') return next;
    quoted = !quoted;
    at = next + 1;
  }
  return std::string_view::npos;
}

bool all_blank(std::string_view text) {
  return std::all_of(text.begin(), text.end(), is_blank);
}

// Appends up to kMoreBytes; false at the end of the file.
bool read_more(const ByteFile& file, CutText& cut) {
  uint64_t at = cut.file_offset + cut.text.size();
  uint64_t count = std::min(kMoreBytes, file.size_bytes() - std::min(at, file.size_bytes()));
  if (count == 0) return false;
  cut.text += file.read(at, count);
  return true;
}

}  // namespace

CutText cut_lines(const ByteFile& file, uint64_t begin, uint64_t end, bool quotes, bool quoted) {
  CutText cut;
  // One byte before tells whether a line begins at `begin`.
  cut.file_offset = begin == 0 ? 0 : begin - 1;
  cut.text = file.read(cut.file_offset, end - cut.file_offset);
  size_t at = 0, limit = end - cut.file_offset;
  if (begin == 0) {
    if (cut.text.compare(0, 3, "\xEF\xBB\xBF") == 0) at = 3;
  } else {
    bool inside = quoted;
    size_t first = cut.text[0] == '\n' && !quoted ? 0 : line_end(cut.text, 1, quotes, inside);
    if (first == std::string_view::npos) return CutText();
    at = first + 1;
  }
  while (at < limit) {
    bool inside = false;
    size_t from = at, stop;
    while ((stop = line_end(cut.text, from, quotes, inside)) == std::string_view::npos) {
      from = cut.text.size();
      if (from - at > kLargestRow || !read_more(file, cut)) break;
    }
    bool too_long = stop == std::string_view::npos && cut.text.size() - at > kLargestRow;
    if (stop == std::string_view::npos) stop = cut.text.size();
    size_t length = stop - at;
    if (length > 0 && cut.text[at + length - 1] == '\r') --length;
    if (!all_blank(std::string_view(cut.text).substr(at, length))) {
      cut.rows.push_back({static_cast<uint32_t>(at), static_cast<uint32_t>(length), too_long});
    }
    if (too_long) break;  // the rest of the block is this row
    at = stop + 1;
  }
  return cut;
}

CutText cut_paragraphs(const ByteFile& file, uint64_t begin, uint64_t end) {
  CutText cut;
  cut.file_offset = begin;
  cut.text = file.read(begin, end - begin);
  // Blanks before the block belong to a division that a paragraph may begin behind.
  bool in_text = false;
  int line_ends = 2;
  if (begin > 0) {
    uint64_t look = std::min<uint64_t>(begin, kMoreBytes);
    std::string before = file.read(begin - look, look);
    size_t i = before.size();
    line_ends = 0;
    while (i > 0 && is_blank(before[i - 1])) line_ends += before[--i] == '\n';
    in_text = line_ends < 2 && !(i == 0 && look == begin);
  }
  size_t limit = cut.text.size(), start = 0, text_end = 0;
  bool ours = false;  // the open paragraph begins in this block
  if (!in_text) line_ends = 0;
  for (size_t i = 0;; ++i) {
    if (i == cut.text.size()) {
      if (!ours || cut.text.size() - start > kLargestRow || !read_more(file, cut)) break;
    }
    char c = cut.text[i];
    if (is_blank(c)) {
      if (c == '\n' && in_text && ++line_ends == 2) {
        if (ours)
          cut.rows.push_back(
              {static_cast<uint32_t>(start), static_cast<uint32_t>(text_end - start), false});
        in_text = ours = false;
        if (i >= limit) return cut;
      }
    } else {
      if (!in_text) {
        if (i >= limit) return cut;
        in_text = ours = true;
        start = i;
      }
      line_ends = 0;
      text_end = i + 1;
    }
  }
  if (ours) {
    bool too_long = text_end - start > kLargestRow;
    cut.rows.push_back(
        {static_cast<uint32_t>(start), static_cast<uint32_t>(text_end - start), too_long});
  }
  return cut;
}

}  // namespace rmkv
