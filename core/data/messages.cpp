// Reading turns and writing them.
#include "core/data/messages.h"

#include <simdjson.h>

#include <algorithm>

namespace rmkv {

namespace {

std::string_view trim_view(std::string_view text) {
  size_t begin = text.find_first_not_of(" \t\r\n");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t\r\n") + 1 - begin);
}

std::vector<std::string> string_list(const Value& value) {
  if (value.is_string()) return {value.as_string()};
  std::vector<std::string> list;
  if (value.is_table() && value.as_table().empty()) return list;
  for (const Value& entry : value.as_list()) list.push_back(entry.as_string());
  return list;
}

std::string cleaned(std::string_view content, const MessageOptions& options) {
  std::string text(content);
  for (const std::string& mark : options.remove) {
    for (size_t at = 0; (at = text.find(mark, at)) != std::string::npos;)
      text.erase(at, mark.size());
  }
  return options.trim ? std::string(trim_view(text)) : text;
}

}  // namespace

MessageOptions MessageOptions::from_table(const Table& table, const std::string& where) {
  MessageOptions options;
  OptionReader reader(table, where);
  reader.read("field", options.field);
  reader.read("role", options.role);
  reader.read("content", options.content);
  reader.read("trim", options.trim);
  reader.read("remove", options.remove);
  if (const Value* names = reader.take("names")) {
    for (const auto& [name, role] : names->as_table()) options.names[name] = role.as_string();
  }
  if (const Value* turns = reader.take("turns")) {
    for (const auto& [role, value] : turns->as_table()) {
      TurnStyle style = options.turns.count(role) ? options.turns[role] : TurnStyle();
      double loss = style.loss;
      OptionReader inner(value.as_table(), where + ".turns." + role);
      inner.read("before", style.before);
      inner.read("after", style.after);
      inner.read("loss", loss, 0.0, 1000.0);
      inner.finish();
      style.loss = static_cast<float>(loss);
      options.turns[role] = style;
    }
  }
  if (const Value* marks = reader.take("marks")) {
    for (const auto& [role, value] : marks->as_table()) {
      options.marks[role] = string_list(value);
      for (const std::string& mark : options.marks[role]) {
        if (mark.empty()) fail(where + ".marks." + role, "an empty mark", "text that opens a turn");
      }
    }
  }
  reader.finish();
  for (const std::string& mark : options.remove) {
    if (mark.empty()) fail(where + ".remove", "an empty text", "text to take out");
  }
  return options;
}

Table MessageOptions::to_table() const {
  Table name_table, turn_table, mark_table;
  for (const auto& [name, role_name] : names) name_table[name] = role_name;
  for (const auto& [role_name, style] : turns) {
    turn_table[role_name] = Table{{"before", style.before},
                                  {"after", style.after},
                                  {"loss", static_cast<double>(style.loss)}};
  }
  for (const auto& [role_name, list] : marks) {
    List texts;
    for (const std::string& mark : list) texts.push_back(mark);
    mark_table[role_name] = std::move(texts);
  }
  List removed;
  for (const std::string& mark : remove) removed.push_back(mark);
  return {{"field", field},      {"role", role},        {"content", content}, {"names", name_table},
          {"turns", turn_table}, {"marks", mark_table}, {"remove", removed},  {"trim", trim}};
}

std::vector<Message> parse_messages(std::string_view json, const MessageOptions& options,
                                    const std::string& place) {
  static thread_local simdjson::dom::parser parser;
  simdjson::dom::array list;
  if (parser.parse(json.data(), json.size()).get_array().get(list) != simdjson::SUCCESS) {
    throw BadDocument(place + ": got no list in '" + options.field + "', expected a list of turns");
  }
  std::vector<Message> messages;
  for (simdjson::dom::element entry : list) {
    std::string_view role, content;
    if (entry[options.role].get(role) != simdjson::SUCCESS) {
      throw BadDocument(place + ": got a turn without '" + options.role + "', expected " +
                        options.role + " and " + options.content);
    }
    // Null contents stand where an assistant only called a tool.
    simdjson::dom::element value;
    if (entry[options.content].get(value) == simdjson::SUCCESS && value.is_string())
      content = value.get_string().value_unsafe();
    messages.push_back({std::string(role), cleaned(content, options)});
  }
  return messages;
}

std::vector<Message> split_messages(std::string_view text, const MessageOptions& options) {
  std::vector<Message> messages;
  std::string role = "user";
  size_t begin = 0;
  auto close = [&](size_t end, bool first) {
    std::string content = cleaned(text.substr(begin, end - begin), options);
    if (first && trim_view(content).empty()) return;
    messages.push_back({role, std::move(content)});
  };
  bool first = true;
  while (true) {
    // The nearest mark; the longest when two begin at the same place.
    size_t at = std::string_view::npos, length = 0;
    std::string next;
    for (const auto& [name, marks] : options.marks) {
      for (const std::string& mark : marks) {
        size_t found = text.find(mark, begin);
        if (found < at ||
            (found == at && found != std::string_view::npos && mark.size() > length)) {
          at = found;
          length = mark.size();
          next = name;
        }
      }
    }
    close(std::min(at, text.size()), first);
    if (at == std::string_view::npos) {
      // An opening at the end asks for an answer that stands elsewhere.
      if (messages.size() > 1 && messages.back().content.empty()) messages.pop_back();
      return messages;
    }
    first = false;
    role = next;
    begin = at + length;
  }
}

void append_weighted(Document& document, std::string_view text, float weight) {
  if (text.empty()) return;
  size_t begin = document.text.size();
  document.text += text;
  if (weight == 1) return;
  auto& spans = document.loss_spans;
  if (!spans.empty() && spans.back().end == begin && spans.back().weight == weight) {
    spans.back().end = document.text.size();
  } else {
    spans.push_back({begin, document.text.size(), weight});
  }
}

void append_messages(const std::vector<Message>& messages, const MessageOptions& options,
                     const std::string& place, Document& document) {
  for (const Message& message : messages) {
    auto other = options.names.find(message.role);
    const std::string& role = other == options.names.end() ? message.role : other->second;
    auto style = options.turns.find(role);
    if (style == options.turns.end()) {
      std::vector<std::string> known;
      for (const auto& [name, unused] : options.turns) known.push_back(name);
      throw BadDocument(place + ": " + unknown_name_text("role", message.role, known));
    }
    append_weighted(document, style->second.before, 0);
    append_weighted(document, message.content, style->second.loss);
    append_weighted(document, style->second.after, style->second.loss);
  }
}

}  // namespace rmkv
