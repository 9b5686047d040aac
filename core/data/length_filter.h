// Documents within a length: bytes of text, or tokens.
#pragma once

#include "core/base/option_reader.h"
#include "core/data/filter.h"

namespace rmkv {

struct LengthOptions {
  int64_t min = 0, max = 0;    // inclusive; max 0: none
  std::string unit = "bytes";  // or "tokens": of the document, without <end>
};

class LengthFilter : public DocumentFilter {
 public:
  explicit LengthFilter(OptionReader& reader);
  // Its first place among the rules of the chain: tokens are counted when the document is encoded.
  void set_rule(int first) { first_rule_ = first; }

  std::vector<std::string> rules() const override { return {"length.short", "length.long"}; }
  int judge(uint64_t id, Document& document, TextScan& scan, bool& edited) const override;
  Table to_table() const override;

 private:
  LengthOptions options_;
  int first_rule_ = 0;
};

}  // namespace rmkv
