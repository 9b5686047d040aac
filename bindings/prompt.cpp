// The read-evaluate-print loop.
#include "bindings/prompt.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "bindings/bind.h"
#include "bindings/inspect.h"
#include "bindings/interrupt.h"
#include "bindings/line_reader.h"
#include "bindings/process.h"
#include "bindings/version.h"

namespace rmkv::lua {

namespace {

constexpr const char kCommands[] =
    R"(Lua is evaluated; the value of an expression is shown and kept as _.  Names assigned here stay until the end.
  help()         what there is          help(x)      about a function, module or object
  :where         where the last error came from
  :locals [N]    local variables there, or of line N of :where
  :up  :down     choose the line that :locals shows
  :help          this text              :quit        leave (also Ctrl-D)
Tab completes; Ctrl-C clears the line or ends the running call.
)";

std::string history_path() {
  const char* chosen = std::getenv("RMKV_HISTORY");
  if (chosen) return chosen;
  const char* home = std::getenv("HOME");
  return home && *home ? std::string(home) + "/.rmkv_history" : "";
}

}  // namespace

Prompt::Prompt(Host& host) : host_(host) {
  lua_State* L = host_.state();
  lua_newtable(L);
  lua_newtable(L);
  // Unknown names are nil here, not errors: raw access to the globals, past their strictness.
  lua_pushcfunction(L, [](lua_State* state) {
    lua_pushvalue(state, 2);
    lua_rawget(state, LUA_GLOBALSINDEX);
    return 1;
  });
  lua_setfield(L, -2, "__index");
  lua_setmetatable(L, -2);
  environment_ = luaL_ref(L, LUA_REGISTRYINDEX);
}

Prompt::Kind Prompt::compile(const std::string& text) {
  lua_State* L = host_.state();
  std::string name = "=prompt:" + std::to_string(lines_ + 1);
  std::string expression = "return " + (!text.empty() && text[0] == '=' ? text.substr(1) : text);
  if (luaL_loadbuffer(L, expression.data(), expression.size(), name.c_str()) != 0) {
    lua_pop(L, 1);
    if (luaL_loadbuffer(L, text.data(), text.size(), name.c_str()) != 0) {
      // LuaJIT names the end of the text as '<eof>' in the message (src/luajit.c, incomplete).
      std::string message = lua_tostring(L, -1);
      return message.ends_with("near '<eof>'") ? Kind::kIncomplete : Kind::kBroken;
    }
  }
  lua_rawgeti(L, LUA_REGISTRYINDEX, environment_);
  lua_setfenv(L, -2);
  return Kind::kCode;
}

void Prompt::show_results(int first) {
  lua_State* L = host_.state();
  int last = lua_gettop(L);
  InspectOptions options;
  options.width = static_cast<int>(std::max<size_t>(40, terminal_width(STDOUT_FILENO)) - 2);
  for (int i = first; i <= last; ++i) {
    // A text alone is shown as it is.
    std::string text = lua_type(L, i) == LUA_TSTRING && first == last ? lua_tostring(L, i)
                                                                      : inspect(L, i, options);
    std::printf("%s\n", text.c_str());
  }
  std::fflush(stdout);
  if (last >= first && !lua_isnil(L, first)) {
    lua_rawgeti(L, LUA_REGISTRYINDEX, environment_);
    lua_pushvalue(L, first);
    lua_setfield(L, -2, "_");
    lua_pop(L, 1);
  }
}

// The compiled chunk is on the stack.
void Prompt::evaluate() {
  lua_State* L = host_.state();
  int base = lua_gettop(L) - 1;
  ++lines_;
  Failure failure;
  failed_ = !protected_call(host_, 0, LUA_MULTRET, failure);
  if (failed_) {
    failure_ = failure;
    level_ = 0;
    std::fflush(stdout);
    std::fprintf(stderr, "%s\n", failure.text().c_str());
  } else {
    show_results(base + 1);
  }
  lua_settop(L, base);
  // The heap is small here, and what a line left over may be large tensors.
  lua_gc(L, LUA_GCCOLLECT, 0);
}

void Prompt::show_locals(size_t level) {
  if (failure_.trace.empty()) {
    std::printf("no Lua function was running\n");
    return;
  }
  if (level >= failure_.trace.size()) {
    std::printf("no line %zu; :where lists 1 .. %zu\n", level + 1, failure_.trace.size());
    return;
  }
  const TraceLine& line = failure_.trace[level];
  std::printf("%s %s\n", line.place.c_str(), line.function.c_str());
  for (const LocalVariable& local : line.locals)
    std::printf("  %s = %s\n", local.name.c_str(), local.text.c_str());
  if (line.locals.empty()) std::printf("  (no local variables)\n");
}

bool Prompt::command(const std::string& line) {
  std::string word = line.substr(0, line.find(' '));
  std::string argument = word.size() < line.size() ? line.substr(word.size() + 1) : "";
  if (word == ":quit" || word == ":q") return false;
  if (word == ":help" || word == ":h") {
    std::fputs(kCommands, stdout);
  } else if (failure_.message.empty() &&
             (word == ":where" || word == ":locals" || word == ":up" || word == ":down")) {
    std::printf("nothing has failed yet\n");
  } else if (word == ":where") {
    std::printf("%s\n", failure_.message.c_str());
    for (size_t i = 0; i < failure_.trace.size(); ++i) {
      std::printf("%s%2zu  %s %s\n", i == level_ ? ">" : " ", i + 1,
                  failure_.trace[i].place.c_str(), failure_.trace[i].function.c_str());
    }
  } else if (word == ":locals") {
    int number = std::atoi(argument.c_str());
    show_locals(number > 0 ? static_cast<size_t>(number - 1) : level_);
  } else if (word == ":up" || word == ":down") {
    if (word == ":up" && level_ + 1 < failure_.trace.size()) ++level_;
    if (word == ":down" && level_ > 0) --level_;
    show_locals(level_);
  } else {
    std::printf("no command %s; :help lists them\n", word.c_str());
  }
  std::fflush(stdout);
  return true;
}

int Prompt::run(const Failure* failure) {
  if (failure) failure_ = *failure;
  lua_State* L = host_.state();
  LineReader reader(history_path(), [this, L](const std::string& line) {
    lua_rawgeti(L, LUA_REGISTRYINDEX, environment_);
    Completion found = complete(L, lua_gettop(L), line);
    lua_pop(L, 1);
    return found;
  });
  if (reader.interactive()) {
    std::printf("rmkv %s   help() tells what there is, :help the commands, Ctrl-D leaves\n",
                kVersion);
    if (failure) std::printf("the recipe failed: :where and :locals show where\n");
  }
  std::string text, line;
  for (;;) {
    LineReader::End end = reader.read(text.empty() ? "> " : "... ", line);
    if (end == LineReader::End::kInterrupted) {
      clear_interrupt(L);
      text.clear();
      continue;
    }
    if (end == LineReader::End::kEndOfInput) break;
    if (text.empty() && !line.empty() && line[0] == ':' && line.rfind("::", 0) != 0) {
      reader.remember(line);
      if (!command(line)) break;
      continue;
    }
    // An empty line ends an unfinished piece, so that nobody is caught in it.
    bool give_up = !text.empty() && line.empty();
    text += (text.empty() ? "" : "\n") + line;
    if (text.find_first_not_of(" \t\n") == std::string::npos) {
      text.clear();
      continue;
    }
    Kind kind = compile(text);
    if (kind == Kind::kIncomplete && !give_up) {
      lua_pop(L, 1);
      continue;
    }
    reader.remember(text);
    if (kind == Kind::kCode) {
      evaluate();
    } else {
      std::fprintf(stderr, "%s\n", lua_tostring(L, -1));
      lua_pop(L, 1);
      failed_ = true;
    }
    text.clear();
  }
  if (!text.empty()) std::fprintf(stderr, "unfinished: %s\n", text.c_str());
  if (reader.interactive()) {
    std::printf("\n");
    return 0;
  }
  return failed_ || !text.empty() ? 1 : 0;
}

}  // namespace rmkv::lua
