// One row of a table, whatever the file: fields by name or path.
//
// Derived by JSON lines, CSV and parquet.  Not here: what becomes of a row (row_mapper.h).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace rmkv {

struct Field {
  enum class Kind { kMissing, kNull, kText, kNested };
  Kind kind = Kind::kMissing;
  // Text, or a number or truth value as text, or nested values as JSON.  Lives as long as the row;
  // may refer to `own`.
  std::string_view text;
  std::string own;

  // A field that holds its text itself; small strings move with the object, so `text` is set again.
  void keep(Kind what, std::string value) {
    kind = what;
    own = std::move(value);
    text = own;
  }
};

class RowView {
 public:
  virtual ~RowView() = default;
  // Looks for the whole name first, then from dot to dot into nested values; `out` is overwritten.
  virtual void field(const std::string& path, Field& out) const = 0;
  // For messages: "prompt, response".
  virtual std::string field_names() const = 0;
};

}  // namespace rmkv
