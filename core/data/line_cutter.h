// Where rows begin and end in a text that is read block by block.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/data/byte_file.h"

namespace rmkv {

// A row in a text that begins somewhere in a file.
struct RowSpan {
  uint32_t begin = 0;
  uint32_t length = 0;
  bool too_long = false;  // more than kLargestRow: only its beginning is there
};

inline constexpr uint64_t kLargestRow = uint64_t{64} << 20;

struct CutText {
  uint64_t file_offset = 0;  // of the text
  std::string text;
  std::vector<RowSpan> rows;
};

// The lines that begin in [begin, end) of a file, without their line ends and without blank ones.
// `quotes`: a line end between double quotes does not count; `quoted`: `begin` lies between quotes.
CutText cut_lines(const ByteFile& file, uint64_t begin, uint64_t end, bool quotes, bool quoted);

// The paragraphs that begin in [begin, end): divided by lines with nothing but blanks.
CutText cut_paragraphs(const ByteFile& file, uint64_t begin, uint64_t end);

}  // namespace rmkv
