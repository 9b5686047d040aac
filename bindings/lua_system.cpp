// Module rmkv.system: time, threads, files, the terminal, the machine.
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>
#include <torch/headeronly/version.h>
#include <unistd.h>

#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <thread>

#include "bindings/bind.h"
#include "bindings/host.h"
#include "bindings/modules.h"
#include "bindings/process.h"
#include "bindings/version.h"
#include "core/base/cancel.h"
#include "core/base/clock.h"
#include "core/base/error.h"
#include "core/base/file.h"
#include "core/kernels/cuda/library.h"
#include "core/kernels/product.h"
#include "core/tensor/cuda_runtime.h"
#include "core/tensor/tensor.h"

namespace rmkv::lua {

namespace fs = std::filesystem;

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

int exists(Call& c) {
  return c.push(path_exists(c.string(1)));
}
int folder_exists(Call& c) {
  return c.push(is_folder(c.string(1)));
}

int list(Call& c) {
  std::string path = c.string(1);
  if (!is_folder(path)) return c.absent(path + ": no such folder");
  return c.push(list_folder(path));
}

int make_folder(Call& c) {
  make_folders(c.string(1));
  return 0;
}

int read(Call& c) {
  std::string path = c.string(1);
  if (!path_exists(path)) return c.absent(path + ": no such file");
  return c.push(read_file(path));
}

int write_whole(Call& c) {
  write_file_atomic(c.string(1), c.text(2));
  return 0;
}

int append(Call& c) {
  append_file(c.string(1), c.text(2));
  return 0;
}

int remove_path(Call& c) {
  std::error_code error;
  std::string path = c.string(1);
  bool removed = c.boolean(2) ? fs::remove_all(path, error) > 0 : fs::remove(path, error);
  if (error) return c.absent(path + ": " + error.message());
  if (!removed) return c.absent(path + ": no such file");
  return c.push(true);
}

int rename_path(Call& c) {
  if (std::rename(c.string(1).c_str(), c.string(2).c_str()) != 0) {
    fail_because(c.string(1),
                 std::string("cannot be renamed to ") + c.string(2) + ": " + std::strerror(errno));
  }
  return 0;
}

// Made beside and renamed, so that the name always points somewhere.
int link_path(Call& c) {
  std::string path = c.string(2), beside = path + ".new";
  unlink(beside.c_str());
  if (symlink(c.string(1).c_str(), beside.c_str()) != 0 ||
      std::rename(beside.c_str(), path.c_str()) != 0) {
    fail_because(path, std::string("cannot be linked: ") + std::strerror(errno));
  }
  return 0;
}

int absolute(Call& c) {
  // A path that does not exist stays relative otherwise.
  return c.push(fs::weakly_canonical(fs::absolute(c.string(1))).string());
}
int hash_path(Call& c) {
  return c.push(file_hash(c.string(1)));
}
int hash_text(Call& c) {
  return c.push(content_hash(c.text(1)));
}
int size_of_file(Call& c) {
  return c.push(file_size_bytes(c.string(1)));
}

int modified(Call& c) {
  struct stat facts;
  std::string path = c.string(1);
  if (stat(path.c_str(), &facts) != 0) return c.absent(path + ": " + std::strerror(errno));
  return c.push(static_cast<double>(facts.st_mtim.tv_sec) +
                1e-9 * static_cast<double>(facts.st_mtim.tv_nsec));
}

int disk_free(Call& c) {
  struct statvfs facts;
  std::string path = c.string(1, ".");
  if (statvfs(path.c_str(), &facts) != 0) return c.absent(path + ": " + std::strerror(errno));
  return c.push(static_cast<uint64_t>(facts.f_bavail) * facts.f_frsize);
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

const Field kPath{"path", "string", ""};

}  // namespace

Module system_module() {
  return {
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
          {.name = "rmkv.system.exists",
           .doc = "Tells whether a file or folder exists.",
           .args = {kPath},
           .returns = {{"", "boolean", ""}},
           .call = exists},
          {.name = "rmkv.system.is_folder",
           .doc = "Tells whether a folder exists.",
           .args = {kPath},
           .returns = {{"", "boolean", ""}},
           .call = folder_exists},
          {.name = "rmkv.system.list",
           .doc = "Lists the names in a folder, sorted.",
           .args = {kPath},
           .returns = {{"names", "list?", "nil when there is no such folder"},
                       {"message", "string?", ""}},
           .call = list},
          {.name = "rmkv.system.make_folders",
           .doc = "Creates a folder and its parents.",
           .args = {kPath},
           .returns = {},
           .call = make_folder,
           .errors = "when the system refuses"},
          {.name = "rmkv.system.read_file",
           .doc = "Reads a whole file.",
           .args = {kPath},
           .returns = {{"content", "string?", "nil when there is no such file"},
                       {"message", "string?", ""}},
           .call = read,
           .errors = "when it cannot be read"},
          {.name = "rmkv.system.write_file",
           .doc = "Writes a whole file atomically: readers see the old one or the new one.",
           .args = {kPath, {"content", "string", ""}},
           .returns = {},
           .call = write_whole,
           .errors = "when it cannot be written"},
          {.name = "rmkv.system.append_file",
           .doc = "Appends to a file.",
           .args = {kPath, {"content", "string", ""}},
           .returns = {},
           .call = append,
           .errors = "when it cannot be written"},
          {.name = "rmkv.system.remove",
           .doc = "Removes a file, an empty folder, or a whole folder.",
           .args = {kPath, {"whole", "boolean?", "also a folder with what is in it", "false"}},
           .returns = {{"removed", "boolean?", ""}, {"message", "string?", ""}},
           .call = remove_path},
          {.name = "rmkv.system.rename",
           .doc = "Renames a file or folder, replacing a file.",
           .args = {{"from", "string", ""}, {"to", "string", ""}},
           .returns = {},
           .call = rename_path,
           .errors = "when the system refuses"},
          {.name = "rmkv.system.link",
           .doc = "Points a symbolic link at a target, replacing it atomically.",
           .args = {{"target", "string", ""}, kPath},
           .returns = {},
           .call = link_path,
           .errors = "when the system refuses"},
          {.name = "rmkv.system.absolute",
           .doc = "Returns the absolute path without links.",
           .args = {kPath},
           .returns = {{"", "string", ""}},
           .call = absolute},
          {.name = "rmkv.system.hash_file",
           .doc = "Returns the XXH3-128 of a file, against damage, not malice.",
           .args = {kPath},
           .returns = {{"", "string", "32 hexadecimal digits"}},
           .call = hash_path,
           .errors = "when it cannot be read"},
          {.name = "rmkv.system.hash",
           .doc = "Returns the XXH3-128 of a text.",
           .args = {{"content", "string", ""}},
           .returns = {{"", "string", "32 hexadecimal digits"}},
           .call = hash_text},
          {.name = "rmkv.system.file_size",
           .doc = "Returns the size of a file.",
           .args = {kPath},
           .returns = {{"", "integer", "", "", -HUGE_VAL, HUGE_VAL, "bytes"}},
           .call = size_of_file,
           .errors = "when there is none"},
          {.name = "rmkv.system.modified",
           .doc = "Returns when a file was changed, in seconds since 1970.",
           .args = {kPath},
           .returns = {{"time", "number?", ""}, {"message", "string?", ""}},
           .call = modified},
          {.name = "rmkv.system.disk_free",
           .doc = "Returns the free space where a path lies.",
           .args = {{"path", "string?", "", "\".\""}},
           .returns = {{"bytes", "integer?", ""}, {"message", "string?", ""}},
           .call = disk_free},
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
}

}  // namespace rmkv::lua
