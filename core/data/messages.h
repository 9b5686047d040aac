// Conversations: a list of {role, content}, or one text with marks between turns, as a document in
// which only the answers are trained.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "core/base/option_reader.h"
#include "core/data/source.h"

namespace rmkv {

struct Message {
  std::string role;
  std::string content;
};

// How the turns of one role are written.
struct TurnStyle {
  std::string before, after;
  float loss = 0;  // of the content and what stands after it; `before` is never trained
};

struct MessageOptions {
  std::string field = "messages";
  std::string role = "role", content = "content";  // keys of a list's entries
  // Other names of the roles: {human = "user", gpt = "assistant", ...}.
  std::map<std::string, std::string> names = {{"human", "user"},      {"Human", "user"},
                                              {"gpt", "assistant"},   {"bot", "assistant"},
                                              {"model", "assistant"}, {"Assistant", "assistant"}};
  // The default is what recipes/chat.lua feeds: "text\n<start>" and "answer<end>".
  std::map<std::string, TurnStyle> turns = {
      {"system", {"", "\n", 0}}, {"user", {"", "\n<start>", 0}}, {"assistant", {"", "<end>", 1}}};
  // Where the field is one text: the mark that opens a turn of each role.
  std::map<std::string, std::vector<std::string>> marks;
  std::vector<std::string> remove;  // taken out of every content: "<|eot_id|>"
  bool trim = true;

  // Reads {field, role, content, names, turns, marks, remove, trim} from a table.
  static MessageOptions from_table(const Table& table, const std::string& where);
  Table to_table() const;
};

// The turns of a JSON list.  Throws BadDocument opened by `place`.
std::vector<Message> parse_messages(std::string_view json, const MessageOptions& options,
                                    const std::string& place);
// The turns of a text with marks; what stands before the first mark is a turn of "user" unless it
// is blank.  A mark at the end with nothing behind it opens no turn.
std::vector<Message> split_messages(std::string_view text, const MessageOptions& options);
// Appends the turns to the document, with a span around everything that is not trained once.
void append_messages(const std::vector<Message>& messages, const MessageOptions& options,
                     const std::string& place, Document& document);
// Appends text whose loss counts `weight` times.
void append_weighted(Document& document, std::string_view text, float weight);

}  // namespace rmkv
