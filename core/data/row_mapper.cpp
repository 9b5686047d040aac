// Options, automatic choice, mapping.
#include "core/data/row_mapper.h"

#include <algorithm>

namespace rmkv {

void RowOptions::read(OptionReader& reader) {
  reader.read("text", text);
  reader.read("prompt", prompt);
  reader.read("mask_prompt", mask_prompt);
  reader.read("special_tokens", special_tokens);
  if (const Value* given = reader.take("parts")) parts = given->as_list();
  if (const Value* given = reader.take("messages")) {
    Table part;
    part["messages"] = *given;
    parts.push_back(std::move(part));
  }
  if (!parts.empty() && !(text.empty() && prompt.empty())) {
    fail(reader.where(), "text or prompt beside parts or messages", "one way to map rows");
  }
}

Table RowOptions::to_table() const {
  return {{"text", text},
          {"prompt", prompt},
          {"mask_prompt", mask_prompt},
          {"special_tokens", special_tokens},
          {"parts", parts}};
}

RowMapper::RowMapper(const std::string& where, RowOptions options) : options_(std::move(options)) {
  compile(where);
}

void RowMapper::compile(const std::string& where) {
  parts_.clear();
  auto add = [&](const std::string& text, float loss) {
    if (text.empty()) return;
    Part part;
    part.text = RowTemplate(text);
    part.loss = loss;
    parts_.push_back(std::move(part));
  };
  if (options_.parts.empty()) {
    add(options_.prompt, options_.mask_prompt ? 0.0f : 1.0f);
    add(options_.text, 1);
    return;
  }
  for (size_t i = 0; i < options_.parts.size(); ++i) {
    std::string here = where + ": parts[" + std::to_string(i + 1) + "]";
    const Table& table = options_.parts[i].as_table();
    OptionReader reader(table, here);
    std::string text;
    double loss = 1;
    bool has_text = reader.read("text", text), has_loss = reader.read("loss", loss, 0.0, 1000.0);
    if (const Value* messages = reader.take("messages")) {
      if (has_text || has_loss) fail(here, "text or loss beside messages", "one of them");
      Part part;
      part.messages = MessageOptions::from_table(messages->as_table(), here + ".messages");
      parts_.push_back(std::move(part));
    } else {
      add(text, static_cast<float>(loss));
    }
    reader.finish();
  }
}

bool RowMapper::choose(const RowView& row) {
  struct Choice {
    std::vector<std::string> fields;
    std::string prompt, text;
  };
  static const std::vector<Choice> kChoices = {
      {{"text"}, "", "{text}"},
      {{"prompt", "response"}, "{prompt}\n<start>", "{response}<end>"},
      {{"question", "answer"}, "{question}\n<start>", "{answer}<end>"},
      {{"instruction", "input", "output"}, "{instruction}\n{input}\n<start>", "{output}<end>"},
      {{"instruction", "output"}, "{instruction}\n<start>", "{output}<end>"},
      {{"instruction", "response"}, "{instruction}\n<start>", "{response}<end>"},
      {{"input", "output"}, "{input}\n<start>", "{output}<end>"},
      {{"content"}, "", "{content}"},
  };
  Field field;
  auto is = [&](const std::string& key, Field::Kind kind) {
    row.field(key, field);
    return field.kind == kind;
  };
  for (const Choice& choice : kChoices) {
    bool all = std::all_of(choice.fields.begin(), choice.fields.end(),
                           [&](const std::string& key) { return is(key, Field::Kind::kText); });
    if (!all) continue;
    options_.prompt = choice.prompt;
    options_.text = choice.text;
    compile("rows");
    return true;
  }
  for (const char* key : {"messages", "conversations", "conversation"}) {
    if (!is(key, Field::Kind::kNested)) continue;
    bool share_gpt = field.text.find("\"from\"") != std::string_view::npos;
    options_.parts = {Table{{"messages", Table{{"field", key},
                                               {"role", share_gpt ? "from" : "role"},
                                               {"content", share_gpt ? "value" : "content"}}}}};
    compile("rows");
    return true;
  }
  return false;
}

Document RowMapper::map(const RowView& row, const std::function<std::string()>& place) const {
  Document document;
  document.parse_special = options_.special_tokens;
  Field field;
  std::string text;
  for (const Part& part : parts_) {
    if (part.messages) {
      const MessageOptions& options = *part.messages;
      row.field(options.field, field);
      if (field.kind == Field::Kind::kNested) {
        append_messages(parse_messages(field.text, options, place()), options, place(), document);
        continue;
      }
      if (field.kind == Field::Kind::kText && !options.marks.empty()) {
        append_messages(split_messages(field.text, options), options, place(), document);
        continue;
      }
      throw BadDocument(place() + ": got the fields " + row.field_names() +
                        ", expected a list of turns in '" + options.field + "'");
    }
    text.clear();
    std::string missing = part.text.fill(row, text, field);
    if (!missing.empty()) {
      if (field.kind == Field::Kind::kMissing) {
        throw BadDocument(place() + ": got the fields " + row.field_names() + ", expected '" +
                          missing + "'");
      }
      throw BadDocument(place() + ": got " +
                        (field.kind == Field::Kind::kNull ? "null" : "a nested value") + " in '" +
                        missing + "', expected text or a number");
    }
    append_weighted(document, text, part.loss);
  }
  return document;
}

std::vector<std::string> RowMapper::columns() const {
  std::vector<std::string> names;
  for (const Part& part : parts_) {
    if (part.messages) names.push_back(part.messages->field);
    for (std::string& path : part.text.fields()) names.push_back(std::move(path));
  }
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return names;
}

}  // namespace rmkv
