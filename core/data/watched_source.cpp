// Looks at the folder, and their journal.
#include "core/data/watched_source.h"

#include <chrono>
#include <filesystem>
#include <set>

#include "core/base/file.h"
#include "core/base/json.h"
#include "core/data/manifest.h"

namespace rmkv {

namespace fs = std::filesystem;

namespace {

// Whoever copies a file into the folder writes to it more often than that.
constexpr std::chrono::seconds kLeftAlone{2};

bool left_alone(const std::string& path) {
  std::error_code code;
  auto changed = fs::last_write_time(path, code);
  return !code && fs::file_time_type::clock::now() - changed >= kLeftAlone;
}

const std::string& path_of(const Value& file) {
  return find(file.as_table(), "path")->as_string();
}

}  // namespace

WatchedSource::WatchedSource(WatchedFolder folder) : folder_(std::move(folder)) {
  if (!folder_.journal.empty() && path_exists(folder_.journal)) read_journal();
  std::lock_guard lock(mutex_);
  look(0);
  check_files(looks_[0].files);
  first_ = folder_.open(paths_until(0));
}

void WatchedSource::read_journal() {
  std::string text = read_file(folder_.journal);
  // A line that was cut off by a crash decided nothing yet.
  size_t whole = text.rfind('\n');
  whole = whole == std::string::npos ? 0 : whole + 1;
  if (whole < text.size()) write_file_atomic(folder_.journal, text.substr(0, whole));
  for (size_t begin = 0; begin < whole;) {
    size_t end = text.find('\n', begin);
    Value line = parse_json(text.substr(begin, end - begin), folder_.journal);
    const Value *number = line.is_table() ? find(line.as_table(), "look") : nullptr,
                *files = line.is_table() ? find(line.as_table(), "files") : nullptr;
    if (number == nullptr || files == nullptr || !files->is_list() ||
        number->as_int() != static_cast<int64_t>(looks_.size()))
      fail(folder_.journal, "line " + std::to_string(looks_.size() + 1) + ": " + line.to_text(),
           "what joined at look " + std::to_string(looks_.size()));
    for (const Value& file : files->as_list()) {
      const Value* path = file.is_table() ? find(file.as_table(), "path") : nullptr;
      if (path == nullptr || !path->is_string() || path->as_string().find("..") == 0)
        fail(folder_.journal, file.to_text(), "{path, size, hash} of a file in the folder");
    }
    add_look(files->as_list());
    begin = end + 1;
  }
}

void WatchedSource::check_files(const List& files) const {
  for (const Value& file : files) {
    std::string path = folder_.path + "/" + path_of(file);
    if (!path_exists(path))
      fail("watched folder " + folder_.path, path_of(file) + " missing",
           "all files that joined so far", "bring it back, or start a new run");
    Table now = describe_file(path, path_of(file));
    if (!(Value(now) == file))
      fail("watched folder " + folder_.path,
           path_of(file) + " changed: " + find(now, "size")->to_text() + " bytes, was " +
               find(file.as_table(), "size")->to_text(),
           "files that stay as they are", "put new text into new files");
  }
}

void WatchedSource::add_look(List files) const {
  const std::string before = looks_.empty() ? "" : looks_.back().joined;
  std::string joined = content_hash(before + write_json(files));
  looks_.push_back({std::move(files), std::move(joined)});
}

const WatchedSource::Look& WatchedSource::look(uint64_t number) const {
  if (number < looks_.size()) return looks_[number];
  RMKV_ASSERT(number == looks_.size());
  std::set<std::string> known;
  for (const Look& earlier : looks_) {
    check_files(earlier.files);
    for (const Value& file : earlier.files) known.insert(path_of(file));
  }
  List files;
  for (const std::string& name : folder_.list()) {
    std::string path = folder_.path + "/" + name;
    // What is there at the start was meant.
    if (known.count(name) == 0 && (number == 0 || left_alone(path)))
      files.push_back(describe_file(path, name));
  }
  if (!folder_.journal.empty()) {
    append_file(folder_.journal, write_json(Table{{"look", number}, {"files", files}}) + "\n");
    sync_path(folder_.journal);
  }
  add_look(std::move(files));
  return looks_.back();
}

std::vector<std::string> WatchedSource::paths_until(uint64_t number) const {
  std::vector<std::string> paths;
  for (uint64_t i = 0; i <= number; ++i) {
    for (const Value& file : looks_[i].files) paths.push_back(folder_.path + "/" + path_of(file));
  }
  return paths;
}

SourcePtr WatchedSource::at_look(uint64_t number) const {
  std::lock_guard lock(mutex_);
  bool known = number < looks_.size();
  const Look& at = look(number);
  if (at.files.empty()) return nullptr;
  if (known) check_files(at.files);
  return folder_.open(paths_until(number));
}

std::string WatchedSource::joined_until(uint64_t number) const {
  std::lock_guard lock(mutex_);
  return number < looks_.size() ? looks_[number].joined : "";
}

Table WatchedSource::manifest() const {
  Table manifest = first_->manifest();
  manifest["watched"] = true;
  return manifest;
}

}  // namespace rmkv
