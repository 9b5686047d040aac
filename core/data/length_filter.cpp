// Bytes at once; tokens are left to who encodes.
#include "core/data/length_filter.h"

namespace rmkv {

LengthFilter::LengthFilter(OptionReader& reader) {
  reader.read("min", options_.min, 0);
  reader.read("max", options_.max, 0);
  reader.read("unit", options_.unit, {"bytes", "tokens"});
  if (options_.max > 0 && options_.max < options_.min)
    fail("filter length", std::to_string(options_.min) + " to " + std::to_string(options_.max),
         "a smallest length and a larger one");
}

int LengthFilter::judge(uint64_t, Document& document, TextScan& scan, bool&) const {
  const int64_t most = options_.max > 0 ? options_.max : INT64_MAX;
  if (options_.unit == "tokens") {
    TokenBounds& bounds = document.bounds;
    if (bounds.rule < 0) bounds.rule = first_rule_;
    bounds.least = std::max(bounds.least, options_.min);
    bounds.most = std::min(bounds.most, most);
    return kKept;
  }
  const auto bytes = static_cast<int64_t>(scan.text().size());
  return bytes < options_.min ? 0 : bytes > most ? 1 : kKept;
}

Table LengthFilter::to_table() const {
  return {
      {"name", "length"}, {"min", options_.min}, {"max", options_.max}, {"unit", options_.unit}};
}

}  // namespace rmkv
