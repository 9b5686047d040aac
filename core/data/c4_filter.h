// C4's rules: "Exploring the Limits of Transfer Learning" (JMLR 21/140, section 2.2), with the
// additions of TensorFlow Datasets' c4_utils.py that datatrove's c4_filters.py follows.
//
// Lines are taken out: those with a word of more than 1,000 characters, without . ? ! " ' at their
// end (or with "..."), of fewer than 3 words, with "javascript" or a phrase of cookie and privacy
// notices.  Citation marks ([1], [edit], [citation needed]) go.  A document is dropped when a line
// that is left has "lorem ipsum" or a curly bracket, and when fewer than 5 sentences are left; a
// sentence ends with . ? ! (and closing quotes or brackets) before a blank or the line's end.
// Where a document has loss spans, lines stay, since spans name places: only the rules that drop
// documents count then.  Not here: the list of bad words.
#pragma once

#include "core/base/option_reader.h"
#include "core/data/filter.h"

namespace rmkv {

struct C4Options {
  int64_t min_sentences = 5;
  int64_t min_line_words = 3;
  int64_t max_word_length = 1000;  // characters
  bool end_punctuation = true;     // lines need one of . ? ! " '
  bool citations = true;           // marks are taken out
  bool javascript = true;
  bool policies = true;
  bool lorem_ipsum = true;
  bool curly_brackets = true;
};

class C4Filter : public DocumentFilter {
 public:
  explicit C4Filter(OptionReader& reader);

  std::vector<std::string> rules() const override;
  int judge(uint64_t id, Document& document, TextScan& scan, bool& edited) const override;
  Table to_table() const override;

 private:
  C4Options options_;
};

}  // namespace rmkv
