// The program rmkv: reads the command line, runs a recipe, a line of code or the prompt.
//
// Exit status: 0 when the code ended, 1 when it failed, 130 after Ctrl-C, 143 after an unhandled
// SIGTERM.
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <iterator>
#include <optional>
#include <string>
#include <vector>

#include "bindings/help.h"
#include "bindings/host.h"
#include "bindings/interrupt.h"
#include "bindings/prompt.h"
#include "bindings/runner.h"
#include "bindings/version.h"
#include "core/base/error.h"
#include "core/tensor/tensor.h"

namespace {

constexpr const char kUsage[] =
    R"(usage: rmkv [-i] [FILE | NAME | -e CODE | -] [arguments]

  FILE           run a Lua recipe (recipes/pretrain.lua)
  NAME           run recipes/NAME.lua
  -e CODE        run one piece of Lua
  -              run standard input
  -i             open the prompt afterwards, also after a failure
  --help         this text; `rmkv NAME --help` prints a recipe's options
  --version      version
  --meta         print scripts/meta/rmkv.lua, the definitions for editors

Without arguments the prompt opens; help() there lists what there is.
)";

struct CommandLine {
  bool prompt = false;
  bool from_stdin = false;
  std::optional<std::string> code;
  std::string recipe;
  std::vector<std::string> arguments;
};

// Returns the exit status of an option that ends the program, or nothing.
std::optional<int> parse(int argc, char** argv, CommandLine& line) {
  int i = 1;
  for (; i < argc; ++i) {
    std::string word = argv[i];
    if (word == "-i") {
      line.prompt = true;
    } else if (word == "-e") {
      if (++i == argc) rmkv::fail("rmkv -e", "nothing", "Lua code");
      line.code = argv[i];
      ++i;
      break;
    } else if (word == "-") {
      line.from_stdin = true;
      ++i;
      break;
    } else if (word == "--help" || word == "-h") {
      std::fputs(kUsage, stdout);
      return 0;
    } else if (word == "--version") {
      std::printf("rmkv %s (LuaJIT %s)\n", rmkv::lua::kVersion, LUAJIT_VERSION);
      return 0;
    } else if (word == "--meta") {
      std::fputs(rmkv::lua::meta_text().c_str(), stdout);
      return 0;
    } else if (word.size() > 1 && word[0] == '-') {
      rmkv::fail_because("rmkv",
                         rmkv::unknown_name_text(
                             "option", word, {"-i", "-e", "-", "--help", "--version", "--meta"}),
                         "options of a recipe come after its name");
    } else {
      line.recipe = word;
      ++i;
      break;
    }
  }
  line.arguments.assign(argv + i, argv + argc);
  return std::nullopt;
}

int report(const rmkv::lua::Failure& failure) {
  std::fflush(stdout);
  if (failure.interrupted) {
    // Who pressed Ctrl-C needs no trace; the prompt's :where has it.
    const std::string place = failure.trace.empty() ? "" : " at " + failure.trace[0].place;
    std::fprintf(stderr, "rmkv: interrupted%s\n", place.c_str());
    return rmkv::lua::interrupt_exit_status();
  }
  std::fprintf(stderr, "rmkv: %s\n", failure.text().c_str());
  return 1;
}

int run(const CommandLine& line) {
  rmkv::lua::HostOptions options;
  options.root = rmkv::lua::find_root();
  options.arguments = line.arguments;
  rmkv::lua::Host host(options);
  rmkv::lua::install_signal_handlers(host.state());
  rmkv::lua::Failure failure;
  bool ended = true;
  bool prompt = line.prompt;
  rmkv::lua::Prompt console(host);
  if (line.code) {
    ended = rmkv::lua::run_text(host, *line.code, "=-e", failure);
  } else if (line.from_stdin) {
    std::string text{std::istreambuf_iterator<char>(std::cin), {}};
    ended = rmkv::lua::run_text(host, text, "=stdin", failure);
  } else if (!line.recipe.empty()) {
    std::string path = rmkv::lua::find_recipe(host, line.recipe);
    host.set_arguments(line.arguments, path);
    ended = rmkv::lua::run_file(host, path, failure, prompt ? console.environment() : LUA_NOREF);
  } else {
    prompt = true;
  }
  int status = ended ? 0 : report(failure);
  if (prompt) return console.run(ended ? nullptr : &failure);
  return status;
}

}  // namespace

int main(int argc, char** argv) {
  int status = 1;
  try {
    CommandLine line;
    if (auto ended = parse(argc, argv, line)) return *ended;
    rmkv::tune_allocator();
    status = run(line);
  } catch (const std::exception& error) {
    std::fflush(stdout);
    std::string text = error.what();
    // What the program itself has to say opens with its name already.
    if (text.rfind("rmkv: ", 0) != 0) text = "rmkv: " + text;
    std::fprintf(stderr, "%s\n", text.c_str());
  }
  // A full disk or a closed pipe must not look like success.
  if (std::fflush(stdout) != 0 || std::ferror(stdout)) {
    std::perror("rmkv: standard output");
    if (status == 0) status = 1;
  }
  return status;
}
