// Line input through libedit.
#include "bindings/line_reader.h"

#include <fcntl.h>
#include <histedit.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <clocale>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "bindings/process.h"
#include "core/base/cancel.h"

namespace rmkv::lua {

namespace {
// Lines kept in the file and in memory.
constexpr int kHistoryLines = 2000;
}  // namespace

class LineReader::Editor {
 public:
  explicit Editor(std::function<Completion(const std::string&)> completer)
      : completer_(std::move(completer)) {
    std::setlocale(LC_CTYPE, "");
    line_ = el_init("rmkv", stdin, stdout, stderr);
    history_ = history_init();
    HistEvent event;
    history(history_, &event, H_SETSIZE, kHistoryLines);
    el_set(line_, EL_CLIENTDATA, this);
    el_set(line_, EL_PROMPT, show_prompt);
    el_set(line_, EL_EDITOR, "emacs");
    el_set(line_, EL_SIGNAL, 0);
    el_set(line_, EL_HIST, history, history_);
    el_set(line_, EL_ADDFN, "rmkv-complete", "completes names", complete_word);
    el_set(line_, EL_BIND, "^I", "rmkv-complete", nullptr);
    el_set(line_, EL_BIND, "^R", "em-inc-search-prev", nullptr);
    el_set(line_, EL_BIND, "\\e[1;5D", "ed-prev-word", nullptr);
    el_set(line_, EL_BIND, "\\e[1;5C", "em-next-word", nullptr);
    el_source(line_, nullptr);
  }
  ~Editor() {
    history_end(history_);
    el_end(line_);
  }

  End read(const std::string& prompt, std::string& text) {
    prompt_ = prompt;
    int count = 0;
    errno = 0;
    const char* got = el_gets(line_, &count);
    if (!got || count <= 0) {
      if (cancel_requested() || errno == EINTR) {
        el_reset(line_);
        std::fputs("\n", stdout);
        return End::kInterrupted;
      }
      return End::kEndOfInput;
    }
    text.assign(got, static_cast<size_t>(count));
    while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.pop_back();
    return End::kLine;
  }

  void add(const std::string& text) {
    HistEvent event;
    history(history_, &event, H_ENTER, text.c_str());
  }
  void load(const std::string& path) {
    HistEvent event;
    history(history_, &event, H_LOAD, path.c_str());
  }
  void save(const std::string& path) {
    HistEvent event;
    // History may hold secrets typed by mistake: readable by its owner only.
    int file = open(path.c_str(), O_WRONLY | O_CREAT, 0600);
    if (file >= 0) close(file);
    history(history_, &event, H_SAVE, path.c_str());
  }

 private:
  static char* show_prompt(EditLine* line) {
    void* self = nullptr;
    el_get(line, EL_CLIENTDATA, &self);
    return static_cast<Editor*>(self)->prompt_.data();
  }

  static unsigned char complete_word(EditLine* line, int) {
    void* data = nullptr;
    el_get(line, EL_CLIENTDATA, &data);
    auto* self = static_cast<Editor*>(data);
    const LineInfo* info = el_line(line);
    std::string before(info->buffer, static_cast<size_t>(info->cursor - info->buffer));
    if (before.find_first_not_of(" \t") == std::string::npos) {
      return el_insertstr(line, "  ") == -1 ? CC_ERROR : CC_REFRESH;
    }
    Completion found = self->completer_(before);
    if (found.words.empty()) return CC_REFRESH_BEEP;
    std::string prefix = before.substr(found.start), common = common_prefix(found.words);
    if (common.size() > prefix.size()) {
      std::string rest = common.substr(prefix.size());
      return el_insertstr(line, rest.c_str()) == -1 ? CC_ERROR : CC_REFRESH;
    }
    if (found.words.size() > 1) show_list(found.words);
    return CC_REDISPLAY;
  }

  static void show_list(const std::vector<std::string>& words) {
    size_t widest = 0, width = terminal_width(STDOUT_FILENO);
    for (const std::string& word : words) widest = std::max(widest, word.size() + 2);
    size_t columns = std::max<size_t>(1, width / widest);
    std::string text = "\n";
    for (size_t i = 0; i < words.size(); ++i) {
      text += words[i];
      bool last = i + 1 == words.size() || (i + 1) % columns == 0;
      text += last ? "\n" : std::string(widest - words[i].size(), ' ');
    }
    std::fputs(text.c_str(), stdout);
    std::fflush(stdout);
  }

  EditLine* line_;
  History* history_;
  std::string prompt_;
  std::function<Completion(const std::string&)> completer_;
};

LineReader::LineReader(std::string history_path,
                       std::function<Completion(const std::string&)> completer)
    : history_path_(std::move(history_path)) {
  const char* terminal = std::getenv("TERM");
  bool dumb = !terminal || std::strcmp(terminal, "dumb") == 0 || *terminal == 0;
  if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO) || dumb) return;
  editor_ = std::make_unique<Editor>(std::move(completer));
  if (!history_path_.empty()) editor_->load(history_path_);
}

LineReader::~LineReader() = default;

bool LineReader::interactive() const {
  return isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
}

LineReader::End LineReader::read(const std::string& prompt, std::string& line) {
  if (editor_) return editor_->read(prompt, line);
  if (interactive()) {
    std::fputs(prompt.c_str(), stdout);
    std::fflush(stdout);
  }
  line.clear();
  for (;;) {
    char byte;
    ssize_t count = ::read(STDIN_FILENO, &byte, 1);
    if (count < 0 && errno == EINTR) {
      if (!cancel_requested()) continue;
      std::fputs("\n", stdout);
      return End::kInterrupted;
    }
    if (count <= 0) return line.empty() ? End::kEndOfInput : End::kLine;
    if (byte == '\n') return End::kLine;
    line += byte;
  }
}

void LineReader::remember(const std::string& text) {
  if (!editor_ || text.empty() || text == last_) return;
  last_ = text;
  editor_->add(text);
  if (!history_path_.empty()) editor_->save(history_path_);
}

}  // namespace rmkv::lua
