// Which documents of a source are used: rules with names, tried in order.
//
// A filter decides by the document alone (and, for dedup, by its id among all documents, from a
// scan made beforehand), never by what was read before: the order of a stream stays a function of
// an index, and resuming stays exact.  The rules themselves: gopher_filter.h, repetition_filter.h,
// c4_filter.h, fineweb_filter.h, length_filter.h, duplicate_filter.h; who applies them:
// filtered_source.h.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/data/source.h"
#include "core/data/text_scan.h"

namespace rmkv {

class DocumentFilter {
 public:
  static constexpr int kKept = -1;
  virtual ~DocumentFilter() = default;

  // The names of its rules, in the order in which they are tried: "gopher.few_words".
  virtual std::vector<std::string> rules() const = 0;
  // The first rule that drops the document, as a place in rules(), or kKept.  Pure; called from
  // many threads.  `scan` belongs to document.text; a filter that edits the text returns kKept and
  // sets `edited`.
  virtual int judge(uint64_t id, Document& document, TextScan& scan, bool& edited) const = 0;
  // Its name and thresholds, for manifests: {name = "gopher", min_words = 50, ...}.
  virtual Table to_table() const = 0;
};

class FilterChain {
 public:
  // An entry is a name or {name = ..., thresholds ...}, closed: gopher (both halves),
  // gopher_quality, gopher_repetition, c4, fineweb, length, dedup.  `cache_folder`: where dedup
  // keeps its scan.
  FilterChain(const List& filters, const SourcePtr& source, const std::string& cache_folder);

  const std::vector<std::string>& rules() const { return rules_; }
  // Sets document.dropped_by where a rule drops it.
  void apply(uint64_t id, Document& document) const;
  List to_list() const;

 private:
  void add(std::unique_ptr<DocumentFilter> filter);

  struct Stage {
    std::unique_ptr<DocumentFilter> filter;
    int first_rule = 0;
  };
  std::vector<Stage> stages_;
  std::vector<std::string> rules_;
};

}  // namespace rmkv
