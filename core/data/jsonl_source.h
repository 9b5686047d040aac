// JSON lines: one object a line, mapped to a document by templates.
//
// An index of line starts is built once; a row is read by range and parsed by simdjson when asked
// for.  A row that is no object, lacks a field or is not UTF-8 is a BadDocument with file and line.
#pragma once

#include <string>
#include <vector>

#include "core/data/row_template.h"
#include "core/data/source.h"

namespace rmkv {

struct JsonlOptions {
  // The document is `prompt` followed by `text`, both templates.  Both empty: chosen by the fields
  // of the first good row: text; prompt + response; question + answer; instruction (+ input) +
  // output or response; then prompt = "{prompt}\n<start>" and text = "{response}<end>".
  std::string text;
  std::string prompt;
  bool mask_prompt = false;    // the prompt is read but not predicted
  bool special_tokens = true;  // special tokens in the result are read as such
};

class JsonlSource : public DocumentSource {
 public:
  JsonlSource(std::string name, const std::vector<std::string>& paths, const std::string& root,
              JsonlOptions options);

  std::string name() const override { return name_; }
  uint64_t document_count() const override { return rows_.size(); }
  Document document(uint64_t index) const override;
  uint64_t document_key(uint64_t index) const override;
  Table manifest() const override;

 private:
  struct File {
    std::string path;
    std::string relative_name;
    uint64_t size_bytes;
  };
  struct Row {
    uint64_t begin;
    uint32_t length_bytes;
    uint32_t file;
    uint64_t line;  // 1-based
  };
  void index_lines(uint32_t file);
  void choose_templates();
  std::string place(const Row& row) const;  // "file:line"

  std::string name_;
  JsonlOptions options_;
  std::vector<File> files_;
  std::vector<Row> rows_;
  RowTemplate prompt_{""};
  RowTemplate text_{""};
};

}  // namespace rmkv
