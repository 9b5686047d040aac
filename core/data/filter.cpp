// Names of filters, and the walk through a chain.
#include "core/data/filter.h"

#include "core/base/option_reader.h"
#include "core/data/c4_filter.h"
#include "core/data/duplicate_filter.h"
#include "core/data/fineweb_filter.h"
#include "core/data/gopher_filter.h"
#include "core/data/length_filter.h"
#include "core/data/repetition_filter.h"

namespace rmkv {

FilterChain::FilterChain(const List& filters, const SourcePtr& source,
                         const std::string& cache_folder) {
  for (const Value& entry : filters) {
    Table options = entry.is_table() ? entry.as_table() : Table{{"name", entry.as_string()}};
    std::string name;
    OptionReader reader(options, "filter");
    reader.read(
        "name", name,
        {"gopher", "gopher_quality", "gopher_repetition", "c4", "fineweb", "length", "dedup"});
    if (name.empty()) fail("filter", "a table without a name", "{name = \"gopher\", ...}");
    if (name == "gopher" || name == "gopher_quality") add(std::make_unique<GopherFilter>(reader));
    if (name == "gopher" || name == "gopher_repetition")
      add(std::make_unique<RepetitionFilter>(reader));
    if (name == "c4") add(std::make_unique<C4Filter>(reader));
    if (name == "fineweb") add(std::make_unique<FinewebFilter>(reader));
    if (name == "length") {
      auto filter = std::make_unique<LengthFilter>(reader);
      filter->set_rule(static_cast<int>(rules_.size()));
      add(std::move(filter));
    }
    if (name == "dedup") add(std::make_unique<DuplicateFilter>(reader, source, cache_folder));
    reader.finish();
  }
}

void FilterChain::add(std::unique_ptr<DocumentFilter> filter) {
  const int first = static_cast<int>(rules_.size());
  for (std::string& rule : filter->rules()) rules_.push_back(std::move(rule));
  stages_.push_back({std::move(filter), first});
}

void FilterChain::apply(uint64_t id, Document& document) const {
  auto scan = std::make_unique<TextScan>(document.text);
  for (const Stage& stage : stages_) {
    bool edited = false;
    int rule = stage.filter->judge(id, document, *scan, edited);
    if (rule != DocumentFilter::kKept) {
      document.dropped_by = stage.first_rule + rule;
      return;
    }
    if (edited) scan = std::make_unique<TextScan>(document.text);
  }
}

List FilterChain::to_list() const {
  List list;
  for (const Stage& stage : stages_) list.push_back(stage.filter->to_table());
  return list;
}

}  // namespace rmkv
