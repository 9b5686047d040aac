// FineWeb's own rules: "The FineWeb Datasets" (arXiv 2406.17557, section 3.6), counted as
// datatrove's fineweb_quality_filter does.
//
// Over the lines that are not blank: at least 12 % end in punctuation, at most 67 % have 30
// characters or fewer, at most 1 % of the text's characters lie in lines that were there before;
// and at most 0.3 line ends a word.  The paper's fourth rule is that one: lists.
#pragma once

#include "core/base/option_reader.h"
#include "core/data/filter.h"

namespace rmkv {

struct FinewebOptions {
  double min_line_ends = 0.12;
  double max_short_lines = 0.67;
  int64_t short_line = 30;  // characters
  double max_repeated_characters = 0.01;
  double max_line_breaks = 0.3;  // a word
};

class FinewebFilter : public DocumentFilter {
 public:
  explicit FinewebFilter(OptionReader& reader);

  std::vector<std::string> rules() const override;
  int judge(uint64_t id, Document& document, TextScan& scan, bool& edited) const override;
  Table to_table() const override;

 private:
  FinewebOptions options_;
};

}  // namespace rmkv
