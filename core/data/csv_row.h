// A line of CSV (RFC 4180) or TSV as a row.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/data/row_view.h"

namespace rmkv {

class CsvRow : public RowView {
 public:
  // `header` outlives the row.  `quotes`: fields may stand between double quotes, with "" for one.
  CsvRow(const std::vector<std::string>& header, char divider, bool quotes);

  // Takes a line apart; nothing, or why not.
  std::optional<std::string> parse(std::string_view line);
  // The fields of a line, for headers.
  static std::optional<std::string> split(std::string_view line, char divider, bool quotes,
                                          std::vector<std::string>& fields);

  void field(const std::string& path, Field& out) const override;
  std::string field_names() const override;

 private:
  const std::vector<std::string>& header_;
  char divider_;
  bool quotes_;
  std::vector<std::string> fields_;
};

}  // namespace rmkv
