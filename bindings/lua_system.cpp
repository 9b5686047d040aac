// Module rmkv.system: time, threads, the terminal, the machine; its file functions are in
// lua_files.cpp.
#include <sys/statvfs.h>
#include <sys/utsname.h>
#include <torch/headeronly/version.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <thread>

#include "bindings/bind.h"
#include "bindings/host.h"
#include "bindings/line_reader.h"
#include "bindings/modules.h"
#include "bindings/process.h"
#include "bindings/version.h"
#include "core/base/cancel.h"
#include "core/base/clock.h"
#include "core/base/error.h"
#include "core/kernels/cuda/library.h"
#include "core/kernels/product.h"
#include "core/tensor/cuda_runtime.h"
#include "core/tensor/tensor.h"

namespace rmkv::lua {

namespace {

int time_now(Call& c) {
  return c.push(unix_seconds());
}
int clock_now(Call& c) {
  return c.push(monotonic_seconds());
}
int timestamp(Call& c) {
  return c.push(utc_timestamp());
}

// Sleeps in short pieces so that Ctrl-C ends it.
int sleep_for(Call& c) {
  double until = monotonic_seconds() + c.number(1);
  for (double left; (left = until - monotonic_seconds()) > 0;) {
    check_cancelled("rmkv.system.sleep");
    double piece = std::min(left, 0.05);
    timespec time{static_cast<time_t>(piece), static_cast<long>((piece - std::floor(piece)) * 1e9)};
    nanosleep(&time, nullptr);
  }
  return 0;
}

int threads(Call& c) {
  if (c.has(1)) set_thread_count(c.integer(1));
  return c.push(thread_count());
}

int deterministic(Call& c) {
  if (c.has(1)) kernels::set_row_invariant(c.boolean(1));
  return c.push(kernels::row_invariant());
}

int environment(Call& c) {
  const char* value = std::getenv(c.string(1).c_str());
  return value ? c.push(value) : c.push_nil();
}

int terminal(Call& c) {
  bool out = isatty(STDOUT_FILENO);
  int shown = out ? STDOUT_FILENO : STDERR_FILENO;
  return c.push(Value(Table{{"stdin", static_cast<bool>(isatty(STDIN_FILENO))},
                            {"stdout", out},
                            {"stderr", static_cast<bool>(isatty(STDERR_FILENO))},
                            {"width", static_cast<int64_t>(terminal_width(shown))},
                            {"height", static_cast<int64_t>(terminal_height(shown))}}));
}

int memory(Call& c) {
  ProcessMemory facts = process_memory();
  return c.push(
      Value(Table{{"resident_bytes", facts.resident_bytes}, {"peak_bytes", facts.peak_bytes}}));
}

// Reads with read(2), not stdio: a signal ends it, and no byte beyond the line is taken from a
// pipe.
int read_line(Call& c) {
  if (c.has(1)) {
    std::fputs(c.string(1).c_str(), stdout);
    std::fflush(stdout);
  }
  std::string line;
  for (;;) {
    char byte;
    ssize_t count = ::read(STDIN_FILENO, &byte, 1);
    if (count < 0 && errno == EINTR) {
      check_cancelled("rmkv.system.read_line");
      continue;
    }
    if (count <= 0) {
      if (line.empty()) return c.absent("end of input");
      break;
    }
    if (byte == '\n') break;
    line += byte;
  }
  return c.push(line);
}

// One editor for all calls, so that its history lasts; kept in memory only, as talks are private.
int edit_line(Call& c) {
  static std::vector<std::string> words;
  static LineReader reader("", [](const std::string& line) {
    Completion found;
    for (const std::string& word : words) {
      if (word.starts_with(line)) found.words.push_back(word);
    }
    return found;
  });
  words.clear();
  if (c.has(2)) {
    const Value given = c.value(2);
    if (given.is_list()) {
      for (const Value& word : given.as_list()) words.push_back(word.as_string());
    }
  }
  std::sort(words.begin(), words.end());
  std::string line;
  switch (reader.read(c.string(1, ""), line)) {
    case LineReader::End::kInterrupted:
      check_cancelled("rmkv.system.edit_line");
      return c.push(std::string());
    case LineReader::End::kEndOfInput:
      return c.absent("end of input");
    case LineReader::End::kLine:
      break;
  }
  reader.remember(line);
  return c.push(line);
}

void write_all(Call& c, FILE* file) {
  for (int i = 1; i <= c.count(); ++i) {
    size_t size = 0;
    const char* data = lua_tolstring(c.L, i, &size);
    if (!data) c.wrong(i, "text or a number");
    if (std::fwrite(data, 1, size, file) != size)
      fail_because("standard output", std::strerror(errno));
  }
  if (std::fflush(file) != 0) fail_because("standard output", std::strerror(errno));
}

int write_out(Call& c) {
  write_all(c, stdout);
  return 0;
}

int write_error(Call& c) {
  write_all(c, stderr);
  return 0;
}

int host_name(Call& c) {
  utsname facts;
  uname(&facts);
  return c.push(facts.nodename);
}

int process_id(Call& c) {
  return c.push(static_cast<int64_t>(getpid()));
}

Table device_table(const std::string& name) {
  Table facts{{"name", name}};
  if (name.rfind("cuda", 0) == 0) {
    std::string why;
    bool available = cuda_available(&why);
    facts["available"] = available;
    if (!available) facts["why"] = why;
    return facts;
  }
  facts["available"] = true;
  facts["cores"] = static_cast<int64_t>(std::thread::hardware_concurrency());
  facts["threads"] = thread_count();
  facts["bf16_products"] = __builtin_cpu_supports("avx512bf16") != 0;
  facts["avx512"] = __builtin_cpu_supports("avx512f") != 0;
  facts["memory_bytes"] =
      static_cast<uint64_t>(sysconf(_SC_PHYS_PAGES)) * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  return facts;
}

int device_facts(Call& c) {
  std::string name = c.string(1, "cpu");
  // An unknown device raises here; an absent GPU does not.
  if (name.rfind("cuda", 0) != 0) parse_device(name);
  return c.push(Value(device_table(name)));
}

int health(Call& c) {
  utsname facts;
  uname(&facts);
  struct statvfs disk {};
  statvfs(".", &disk);
  const CudaProbe& cuda = cuda_probe();
  std::string kernels_why;
  const bool kernels = cuda_kernels(&kernels_why) != nullptr;
  Table report{{"version", kVersion},
               {"torch", TORCH_VERSION},
               {"luajit", LUAJIT_VERSION},
               {"system", std::string(facts.sysname) + " " + facts.release + " " + facts.machine},
               {"root", c.host.options().root},
               {"cpu", device_table("cpu")},
               {"cuda", Table{{"available", cuda.available},
                              {"devices", cuda.device_count},
                              {"why", cuda.why},
                              {"hint", cuda.hint},
                              {"kernels", kernels},
                              {"kernels_why", kernels_why}}},
               {"disk_free_bytes", static_cast<uint64_t>(disk.f_bavail) * disk.f_frsize}};
  return c.push(Value(report));
}

}  // namespace

Module system_module() {
  Module module{
      .name = "rmkv.system",
      .doc = "time, threads, files, the terminal, the machine",
      .functions = {
          {.name = "rmkv.system.time",
           .doc = "Returns the seconds since 1970 (UTC).",
           .args = {},
           .returns = {{"", "number", "", "", -HUGE_VAL, HUGE_VAL, "seconds"}},
           .call = time_now},
          {.name = "rmkv.system.clock",
           .doc = "Returns the seconds since an arbitrary point; never jumps.",
           .args = {},
           .returns = {{"", "number", "", "", -HUGE_VAL, HUGE_VAL, "seconds"}},
           .call = clock_now},
          {.name = "rmkv.system.timestamp",
           .doc = "Returns the time as \"2026-01-31T12:34:56Z\".",
           .args = {},
           .returns = {{"", "string", ""}},
           .call = timestamp},
          {.name = "rmkv.system.sleep",
           .doc = "Waits; Ctrl-C ends it.",
           .args = {{"seconds", "number", "", "", 0, 1e9, "seconds"}},
           .returns = {},
           .call = sleep_for},
          {.name = "rmkv.system.threads",
           .doc = "Sets and returns the number of arithmetic threads.",
           .args = {{"count", "integer?", "", "unchanged", 1, 4096}},
           .returns = {{"", "integer", ""}},
           .call = threads},
          {.name = "rmkv.system.deterministic",
           .doc = "Sets and returns whether products sum every row in one fixed order: results are "
                  "then the same bits for any split of the tokens and any number of threads.",
           .args = {{"on", "boolean?", "", "unchanged"}},
           .returns = {{"", "boolean", ""}},
           .call = deterministic},
          {.name = "rmkv.system.device_facts",
           .doc = "Describes a device.",
           .args = {{"device", "string?", "", "\"cpu\""}},
           .returns =
               {{"", "table",
                 "name, available, why, cores, threads, bf16_products, avx512, memory_bytes"}},
           .call = device_facts,
           .errors = "on an unknown kind of device"},
          {.name = "rmkv.system.health",
           .doc = "Tells what is installed, found and missing.",
           .args = {},
           .returns = {{"", "table",
                        "version, torch, luajit, system, root, cpu, cuda, disk_free_bytes"}},
           .call = health},
          {.name = "rmkv.system.env",
           .doc = "Returns an environment variable.",
           .args = {{"name", "string", ""}},
           .returns = {{"", "string?", ""}},
           .call = environment},
          {.name = "rmkv.system.terminal",
           .doc = "Tells which standard streams are terminals, and the size of the screen.",
           .args = {},
           .returns = {{"", "table", "stdin, stdout, stderr, width, height"}},
           .call = terminal},
          {.name = "rmkv.system.memory",
           .doc = "Returns the memory of the process.",
           .args = {},
           .returns = {{"", "table", "resident_bytes, peak_bytes"}},
           .call = memory},
          {.name = "rmkv.system.read_line",
           .doc = "Reads a line from standard input.",
           .args = {{"prompt", "string?", "written first"}},
           .returns = {{"line", "string?", "nil at the end of input"}, {"message", "string?", ""}},
           .call = read_line},
          {.name = "rmkv.system.edit_line",
           .doc =
               "Reads a line from the terminal with editing, a history and completion; without a "
               "terminal as read_line does, the prompt left out.",
           .args = {{"prompt", "string?", "written first", "\"\""},
                    {"words", "table?", "what Tab completes at the beginning of the line"}},
           .returns = {{"line", "string?", "nil at the end of input"}, {"message", "string?", ""}},
           .call = edit_line,
           .errors = "on Ctrl-C"},
          {.name = "rmkv.system.write",
           .doc = "Writes to standard output at once.",
           .args = {{"...", "...", "texts and numbers"}},
           .returns = {},
           .call = write_out,
           .errors = "when the output is closed or full"},
          {.name = "rmkv.system.write_error",
           .doc = "Writes to standard error at once.",
           .args = {{"...", "...", "texts and numbers"}},
           .returns = {},
           .call = write_error},
          {.name = "rmkv.system.hostname",
           .doc = "Returns the name of the machine.",
           .args = {},
           .returns = {{"", "string", ""}},
           .call = host_name},
          {.name = "rmkv.system.pid",
           .doc = "Returns the process number.",
           .args = {},
           .returns = {{"", "integer", ""}},
           .call = process_id},
      }};
  add_file_functions(module.functions);
  return module;
}

}  // namespace rmkv::lua
