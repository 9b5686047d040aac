// How the fields of a row become text: literal text with {field} in it.
//
// "{question}\n<start>{answer}<end>"; dots and numbers reach into nested values
// ("{instances.0.output}"), "{{" and "}}" are braces.  A field may go through pipes, from left to
// right: "{answer|before:####|trim}".
//   trim            without blanks at both ends
//   before:MARK     what stands before the first MARK; all when there is none
//   after:MARK      what stands behind the first MARK; nothing when there is none
//   think           in <think> and </think>, unless it holds them already or is empty
//   without:MARK    every MARK taken out
//   calculations    without calculator annotations: <<48/2=24>>
//   or:TEXT         TEXT when the field is missing, null or empty
//   line            with a line end, unless it is empty
#pragma once

#include <string>
#include <vector>

#include "core/data/row_view.h"

namespace rmkv {

class RowTemplate {
 public:
  // Throws when a brace is not closed, a field has no name or a pipe is unknown.
  explicit RowTemplate(const std::string& text);

  // Appends the filled template to `out`.  Returns the path of the first field that is missing,
  // null or nested (`found` says which), "" when all went well.
  std::string fill(const RowView& row, std::string& out, Field& found) const;

  // The paths of all fields, in order.
  std::vector<std::string> fields() const;
  bool empty() const { return parts_.empty(); }

 private:
  struct Pipe {
    std::string name, argument;
  };
  struct Part {
    bool is_field;
    std::string text;
    std::vector<Pipe> pipes;
  };
  static Part parse_field(const std::string& text, const std::string& inside);
  std::vector<Part> parts_;
};

}  // namespace rmkv
