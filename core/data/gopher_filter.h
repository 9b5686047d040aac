// Gopher's quality rules: "Scaling Language Models" (arXiv 2112.11446), appendix A.1.1, with the
// thresholds of datatrove's gopher_quality_filter.
//
// A page is kept when it has 50 to 100,000 words of 3 to 10 characters on average, at most one "#"
// or ellipsis in ten words, at most 90 % of its lines begin with a bullet and 30 % end in an
// ellipsis, 80 % of its words hold a letter, and it has two of eight English words.  Words as in
// text_scan.h; stop words in any ASCII case.
#pragma once

#include "core/base/option_reader.h"
#include "core/data/filter.h"

namespace rmkv {

struct GopherOptions {
  int64_t min_words = 50, max_words = 100'000;       // that are not symbols alone
  double min_word_length = 3, max_word_length = 10;  // mean characters of these
  double max_hashes = 0.1;                           // "#" a word
  double max_ellipses = 0.1;                         // "..." and U+2026 a word
  double max_bullet_lines = 0.9;                     // share of lines that begin with U+2022 or "-"
  double max_ellipsis_lines = 0.3;                   // share of lines that end in an ellipsis
  double min_letter_words = 0.8;                     // share of words with a letter
  int64_t min_stop_words = 2;                        // different ones
  std::vector<std::string> stop_words = {"the", "be", "to", "of", "and", "that", "have", "with"};
};

class GopherFilter : public DocumentFilter {
 public:
  // Takes its keys from a reader that others take theirs from too.
  explicit GopherFilter(OptionReader& reader);

  std::vector<std::string> rules() const override;
  int judge(uint64_t id, Document& document, TextScan& scan, bool& edited) const override;
  Table to_table() const override;

 private:
  GopherOptions options_;
};

}  // namespace rmkv
