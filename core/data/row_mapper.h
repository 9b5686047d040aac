// From a row to a document: templates, conversations, loss weights.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "core/base/option_reader.h"
#include "core/data/messages.h"
#include "core/data/row_template.h"
#include "core/data/source.h"

namespace rmkv {

struct RowOptions {
  // The document is `prompt` followed by `text`, both templates; mask_prompt: the prompt is read
  // but not predicted.
  std::string text;
  std::string prompt;
  bool mask_prompt = false;
  // Or any number of parts, each a template with its loss weight, or a conversation:
  // {{text = "{question}\n<start>", loss = 0}, {text = "{answer}<end>"}, {messages = {...}}}.
  List parts;
  bool special_tokens = true;  // special tokens in the result are read as such
  // None of the three: chosen by the fields of the first good rows, see choose().

  // Takes its keys from a reader that others take theirs from too.
  void read(OptionReader& reader);
  Table to_table() const;
};

class RowMapper {
 public:
  RowMapper() = default;
  RowMapper(const std::string& where, RowOptions options);

  // Chooses by the fields of a row: text; messages or conversations; prompt + response; question +
  // answer; instruction (+ input) + output or response; input + output; content.  False when none
  // fits.
  bool choose(const RowView& row);
  bool chosen() const { return !parts_.empty(); }
  const RowOptions& options() const { return options_; }

  // `place` names the row in messages.  Throws BadDocument where a field is missing or not text.
  Document map(const RowView& row, const std::function<std::string()>& place) const;

  // The first part of each path that is read: the columns of a table.
  std::vector<std::string> columns() const;

 private:
  struct Part {
    RowTemplate text{""};
    float loss = 1;
    std::optional<MessageOptions> messages;
  };
  void compile(const std::string& where);

  RowOptions options_;
  std::vector<Part> parts_;
};

}  // namespace rmkv
