// A JSON object as a row, through simdjson.
#pragma once

#include <memory>
#include <optional>

#include "core/data/row_view.h"

namespace rmkv {

class JsonRow : public RowView {
 public:
  JsonRow();
  ~JsonRow() override;

  // Parses one object; nothing, or why not.  The row is valid until the next call.
  std::optional<std::string> parse(std::string_view text);

  void field(const std::string& path, Field& out) const override;
  std::string field_names() const override;

 private:
  struct Parser;
  std::unique_ptr<Parser> parser_;
};

}  // namespace rmkv
