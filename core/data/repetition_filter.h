// Gopher's repetition rules: "Scaling Language Models" (arXiv 2112.11446), table A1, counted as
// datatrove's gopher_repetition_filter does.
//
// Shares of the text's characters that lie in what was there before: paragraphs, lines, the most
// frequent group of 2 to 4 words, repeated groups of 5 to 10 words.
#pragma once

#include "core/base/option_reader.h"
#include "core/data/filter.h"

namespace rmkv {

struct RepetitionOptions {
  double max_paragraphs = 0.3;  // repeated ones of all
  double max_paragraph_characters = 0.2;
  double max_lines = 0.3;
  double max_line_characters = 0.2;
  // Groups of 2, 3, 4 words: characters (with a blank between words) of the most frequent one.
  std::vector<double> max_top = {0.2, 0.18, 0.16};
  // Groups of 5 to 10 words: characters of those that were there before and do not overlap.
  std::vector<double> max_repeated = {0.15, 0.14, 0.13, 0.12, 0.11, 0.10};
};

class RepetitionFilter : public DocumentFilter {
 public:
  explicit RepetitionFilter(OptionReader& reader);

  std::vector<std::string> rules() const override;
  int judge(uint64_t id, Document& document, TextScan& scan, bool& edited) const override;
  Table to_table() const override;

 private:
  RepetitionOptions options_;
};

}  // namespace rmkv
