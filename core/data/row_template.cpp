// Parsing and filling of row templates.
#include "core/data/row_template.h"

#include "core/base/error.h"

namespace rmkv {

namespace {

const std::vector<std::string> kPipes = {"trim", "before",  "after",        "think",
                                         "or",   "without", "calculations", "line"};

std::string trimmed(const std::string& text) {
  size_t begin = text.find_first_not_of(" \t\r\n");
  if (begin == std::string::npos) return "";
  return text.substr(begin, text.find_last_not_of(" \t\r\n") + 1 - begin);
}

std::string without(std::string text, const std::string& open, const std::string& close) {
  for (size_t at = 0; (at = text.find(open, at)) != std::string::npos;) {
    size_t end = close.empty() ? at : text.find(close, at + open.size());
    if (end == std::string::npos) break;
    text.erase(at, end - at + (close.empty() ? open.size() : close.size()));
  }
  return text;
}

std::string piped(std::string text, const std::string& name, const std::string& argument) {
  if (name == "trim") return trimmed(text);
  if (name == "or") return text.empty() ? argument : text;
  if (name == "before") return text.substr(0, text.find(argument));
  if (name == "without") return without(std::move(text), argument, "");
  if (name == "line") return text.empty() ? text : text + "\n";
  if (name == "calculations") return without(std::move(text), "<<", ">>");
  if (name == "after") {
    size_t at = text.find(argument);
    return at == std::string::npos ? "" : text.substr(at + argument.size());
  }
  RMKV_ASSERT(name == "think");
  if (text.empty() || text.find("<think>") != std::string::npos) return text;
  return "<think>" + text + "</think>";
}

}  // namespace

RowTemplate::Part RowTemplate::parse_field(const std::string& text, const std::string& inside) {
  Part part{true, "", {}};
  size_t bar = inside.find('|');
  part.text = inside.substr(0, bar);
  if (part.text.empty()) {
    fail("row template '" + text + "'", "a field without a name", "{field}",
         "write '{{' for a brace");
  }
  while (bar != std::string::npos) {
    size_t next = inside.find('|', bar + 1);
    std::string word = inside.substr(bar + 1, next == std::string::npos ? next : next - bar - 1);
    size_t colon = word.find(':');
    Pipe pipe{word.substr(0, colon), colon == std::string::npos ? "" : word.substr(colon + 1)};
    bool known = false,
         wants = pipe.name == "before" || pipe.name == "after" || pipe.name == "without";
    for (const std::string& name : kPipes) known = known || name == pipe.name;
    if (!known)
      fail_because("row template '" + text + "'", unknown_name_text("pipe", pipe.name, kPipes));
    if (wants && pipe.argument.empty())
      fail("row template '" + text + "'", "'" + word + "'", pipe.name + ":TEXT");
    part.pipes.push_back(std::move(pipe));
    bar = next;
  }
  return part;
}

RowTemplate::RowTemplate(const std::string& text) {
  std::string literal;
  for (size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if ((c == '{' || c == '}') && i + 1 < text.size() && text[i + 1] == c) {
      literal += c;
      ++i;
    } else if (c == '}') {
      fail("row template '" + text + "'", "a lone '}' at " + std::to_string(i + 1),
           "'}}' for a brace");
    } else if (c == '{') {
      size_t close = text.find('}', i);
      if (close == std::string::npos) {
        fail("row template '" + text + "'", "an open brace at " + std::to_string(i + 1), "{field}",
             "write '{{' for a brace");
      }
      if (!literal.empty()) parts_.push_back({false, std::move(literal), {}});
      literal.clear();
      parts_.push_back(parse_field(text, text.substr(i + 1, close - i - 1)));
      i = close;
    } else {
      literal += c;
    }
  }
  if (!literal.empty()) parts_.push_back({false, std::move(literal), {}});
}

std::string RowTemplate::fill(const RowView& row, std::string& out, Field& found) const {
  for (const Part& part : parts_) {
    if (!part.is_field) {
      out += part.text;
      continue;
    }
    row.field(part.text, found);
    if (found.kind != Field::Kind::kText) {
      bool replaced = false;
      for (const Pipe& pipe : part.pipes) replaced = replaced || pipe.name == "or";
      if (!replaced || found.kind == Field::Kind::kNested) return part.text;
      found.keep(Field::Kind::kText, "");
    }
    if (part.pipes.empty()) {
      out += found.text;
      continue;
    }
    std::string text(found.text);
    for (const Pipe& pipe : part.pipes) text = piped(std::move(text), pipe.name, pipe.argument);
    out += text;
  }
  return "";
}

std::vector<std::string> RowTemplate::fields() const {
  std::vector<std::string> names;
  for (const Part& part : parts_) {
    if (part.is_field) names.push_back(part.text);
  }
  return names;
}

}  // namespace rmkv
