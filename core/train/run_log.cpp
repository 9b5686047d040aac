// Appending to and cutting back JSONL files.
#include "core/train/run_log.h"

#include <cstdio>

#include "core/base/error.h"
#include "core/base/file.h"
#include "core/base/json.h"

namespace rmkv {

namespace {

// "logs/a/log.jsonl" -> "logs/a/log.time.jsonl"
std::string time_path_of(const std::string& path) {
  const std::string end = ".jsonl";
  const bool has = path.size() > end.size() && path.substr(path.size() - end.size()) == end;
  return (has ? path.substr(0, path.size() - end.size()) : path) + ".time.jsonl";
}

void put_aside(const std::string& path) {
  if (!path_exists(path)) return;
  int number = 1;
  while (path_exists(path + "." + std::to_string(number))) ++number;
  const std::string aside = path + "." + std::to_string(number);
  if (std::rename(path.c_str(), aside.c_str()) != 0)
    fail_because(path, "cannot rename to " + aside);
}

int64_t step_of(const std::string& line, const std::string& where) {
  Value value = parse_json(line, where);
  const Value* step = value.is_table() ? find(value.as_table(), "step") : nullptr;
  if (!step || !step->is_int())
    fail(where, "a line without step", "one object a line with \"step\"");
  return step->as_int();
}

// The step first, for people who read the file.
std::string line_of(int64_t step, const Table& fields) {
  const std::string rest = write_json(fields);
  return "{\"step\":" + std::to_string(step) +
         (fields.empty() ? "" : "," + rest.substr(1, rest.size() - 2)) + "}\n";
}

}  // namespace

void truncate_jsonl(const std::string& path, int64_t last_step) {
  if (!path_exists(path)) return;
  const std::string content = read_file(path);
  std::string kept;
  size_t line_number = 0;
  for (size_t begin = 0; begin < content.size();) {
    size_t end = content.find('\n', begin);
    if (end == std::string::npos) break;  // torn by a crash
    std::string line = content.substr(begin, end - begin);
    begin = end + 1;
    ++line_number;
    if (line.empty() || step_of(line, path + ":" + std::to_string(line_number)) <= last_step) {
      kept += line + "\n";
    }
  }
  if (kept.size() != content.size()) write_file_atomic(path, kept);
}

RunLog::RunLog(std::string path, int64_t resume_step)
    : path_(std::move(path)), time_path_(time_path_of(path_)) {
  size_t slash = path_.rfind('/');
  if (slash != std::string::npos && slash > 0) make_folders(path_.substr(0, slash));
  for (const std::string& file : {path_, time_path_}) {
    if (resume_step >= 0) {
      truncate_jsonl(file, resume_step);
    } else {
      put_aside(file);
    }
  }
}

void RunLog::write(int64_t step, const Table& fields, const Table& timing) {
  for (const Table* table : {&fields, &timing}) {
    if (find(*table, "step"))
      fail("log", "a field named 'step'", "other names: the step comes first anyway");
  }
  append_file(path_, line_of(step, fields));
  if (!timing.empty()) append_file(time_path_, line_of(step, timing));
}

}  // namespace rmkv
