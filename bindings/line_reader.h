// Reads lines for the prompt: with editing, history and completion on a terminal, plainly
// elsewhere.
//
// libedit does the editing; a dumb terminal or a pipe gets plain lines.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "bindings/completion.h"

namespace rmkv::lua {

class LineReader {
 public:
  // `completer` gets the line up to the cursor.
  LineReader(std::string history_path, std::function<Completion(const std::string&)> completer);
  ~LineReader();
  LineReader(const LineReader&) = delete;

  enum class End { kLine, kInterrupted, kEndOfInput };
  // One line without its end; `prompt` is shown on a terminal only.
  End read(const std::string& prompt, std::string& line);
  // Adds to the history (and its file) unless it repeats the last entry.
  void remember(const std::string& text);
  bool interactive() const;

  class Editor;

 private:
  std::string history_path_;
  std::string last_;
  std::unique_ptr<Editor> editor_;
};

}  // namespace rmkv::lua
