// How the fields of a JSON row become a document's text: literal text with {field} in it.
//
// "{question}\n<start>{answer}<end>"; dots and numbers reach into nested values
// ("{instances.0.output}"), "{{" and
// "}}" are braces.
#pragma once

#include <functional>
#include <string>
#include <vector>

namespace rmkv {

class RowTemplate {
 public:
  // Throws when a brace is not closed or a field has no name.
  explicit RowTemplate(const std::string& text);

  // Appends the filled template to `out`; `field` gives the text of a field by its path.
  void fill(const std::function<std::string(const std::string& path)>& field,
            std::string& out) const;

  // The paths of all fields, in order.
  std::vector<std::string> fields() const;
  bool empty() const { return parts_.empty(); }

 private:
  struct Part {
    bool is_field;
    std::string text;
  };
  std::vector<Part> parts_;
};

}  // namespace rmkv
