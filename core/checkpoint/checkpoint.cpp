// Saving beside, syncing, renaming; loading after verification.
#include "core/checkpoint/checkpoint.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>

#include "core/base/error.h"
#include "core/base/file.h"
#include "core/base/json.h"
#include "core/base/toml.h"
#include "core/tensor/safetensors.h"

namespace rmkv {

namespace fs = std::filesystem;

namespace {

constexpr const char* kManifest = "manifest.json";
constexpr const char* kFormat = "rmkv-checkpoint";
constexpr int64_t kVersion = 1;
// Text files in a checkpoint are small; a larger one is damage.
constexpr uint64_t kTextLimit = 64 << 20;

void (*fault_hook)(int) = nullptr;

// Counts the steps of one save for the fault hook.
class Progress {
 public:
  void done() {
    ++operations_;
    if (fault_hook) fault_hook(operations_);
  }

 private:
  int operations_ = 0;
};

// The canonical text: any difference in the file, even in white space, is damage.
std::string manifest_text(Table manifest) {
  manifest.erase("checksum");
  manifest["checksum"] = content_hash(write_json(manifest, 1));
  return write_json(manifest, 1) + "\n";
}

Table read_manifest(const std::string& folder) {
  const std::string path = folder + "/" + kManifest;
  if (!path_exists(folder)) fail_because(folder, "no such checkpoint");
  if (!path_exists(path)) {
    fail_because(folder, "no manifest.json: the checkpoint is incomplete or something else");
  }
  const std::string text = read_file(path, kTextLimit);
  Value value = parse_json(text, path);
  if (!value.is_table()) fail(path, value.type_name(), "a table");
  const Table& manifest = value.as_table();
  const Value* format = find(manifest, "format");
  if (!format || !(*format == Value(kFormat))) {
    fail(path, format ? format->to_text() : "no format", kFormat);
  }
  if (manifest_text(manifest) != text) {
    fail_because(path, "the manifest is damaged (its checksum does not fit its content)");
  }
  const Value* version = find(manifest, "version");
  if (!version || !(*version == Value(kVersion))) {
    fail(path, "version " + (version ? version->to_text() : "none"), std::to_string(kVersion),
         "it was written by another version of rmkv");
  }
  return manifest;
}

const Table& table_in(const Table& manifest, const std::string& key, const std::string& folder) {
  const Value* value = find(manifest, key);
  if (!value || !value->is_table()) fail(folder + "/" + kManifest, "no '" + key + "'", "a table");
  return value->as_table();
}

struct FileFacts {
  uint64_t size_bytes;
  std::string hash;
};

FileFacts file_facts(const Table& files, const std::string& name, const std::string& folder) {
  const Value* entry = find(files, name);
  if (!entry || !entry->is_table()) {
    fail(folder, "no '" + name + "' in its manifest", "a file of that name");
  }
  const Value* bytes = find(entry->as_table(), "bytes");
  const Value* hash = find(entry->as_table(), "hash");
  if (!bytes || !hash || bytes->as_int() < 0) fail(folder, "no size or hash of " + name, "both");
  return {static_cast<uint64_t>(bytes->as_int()), hash->as_string()};
}

void check_size(const std::string& path, const FileFacts& facts) {
  if (!path_exists(path)) fail_because(path, "the file is missing");
  uint64_t size = file_size_bytes(path);
  if (size != facts.size_bytes) {
    fail(path, std::to_string(size) + " bytes", std::to_string(facts.size_bytes));
  }
}

void check_hash(const std::string& path, const std::string& got, const FileFacts& facts) {
  if (got != facts.hash) {
    fail(path, "hash " + got, facts.hash, "the file was damaged after it was written");
  }
}

// The verified bytes of a file of the checkpoint.
class VerifiedFile {
 public:
  VerifiedFile(const std::string& folder, const std::string& name, const Table& files)
      : path_(folder + "/" + name), facts_(file_facts(files, name, folder)) {
    check_size(path_, facts_);
  }
  std::string text() const {
    std::string content = read_file(path_, kTextLimit);
    check_hash(path_, content_hash(content), facts_);
    return content;
  }
  TensorMap tensors() const {
    const MappedFile file(path_);
    check_hash(path_, content_hash(file.bytes()), facts_);
    return parse_safetensors(file.bytes(), path_).tensors;
  }
  // In the file's memory: for reading only.
  TensorMap mapped_tensors() const {
    const auto file = std::make_shared<const MappedFile>(path_);
    check_hash(path_, content_hash(file->bytes()), facts_);
    return parse_safetensors(file->bytes(), path_, file).tensors;
  }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
  FileFacts facts_;
};

// Writes files into a fresh folder and notes size and hash of each.
class FolderWriter {
 public:
  FolderWriter(std::string folder, Progress& progress)
      : folder_(std::move(folder)), progress_(progress) {}
  void text(const std::string& name, const std::string& content) {
    write_file_atomic(folder_ + "/" + name, content);
    note(name, content_hash(content));
  }
  void tensors(const std::string& name, const TensorMap& tensors) {
    note(name, write_safetensors(folder_ + "/" + name, tensors));
  }
  const Table& files() const { return files_; }

 private:
  void note(const std::string& name, const std::string& hash) {
    int64_t size = static_cast<int64_t>(file_size_bytes(folder_ + "/" + name));
    files_[name] = Table{{"bytes", size}, {"hash", hash}};
    progress_.done();
  }

  std::string folder_;
  Progress& progress_;
  Table files_;
};

// Puts the complete folder `beside` in the place of `target`.
void move_into_place(const std::string& beside, const std::string& target) {
  if (::rename(beside.c_str(), target.c_str()) == 0) return;
  if (errno != ENOTEMPTY && errno != EEXIST) {
    fail_because(target, std::string("cannot rename onto: ") + std::strerror(errno));
  }
  // A checkpoint is there already: exchange the two in one step, then remove the old one.
  if (::renameat2(AT_FDCWD, beside.c_str(), AT_FDCWD, target.c_str(), RENAME_EXCHANGE) == 0) {
    sync_path(fs::path(target).parent_path().string());
    fs::remove_all(beside);
    return;
  }
  // File systems without exchange: the old one steps aside; RunFolder::clean brings it back after a
  // crash in between.
  const std::string aside = beside + ".old";
  if (::rename(target.c_str(), aside.c_str()) != 0 ||
      ::rename(beside.c_str(), target.c_str()) != 0) {
    std::string reason = std::strerror(errno);
    ::rename(aside.c_str(), target.c_str());
    fail_because(target, "cannot replace: " + reason);
  }
  fs::remove_all(aside);
}

std::string without_trailing_slash(std::string path) {
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  return path;
}

}  // namespace

void set_checkpoint_fault_hook(void (*hook)(int operation)) {
  fault_hook = hook;
}

bool is_checkpoint(const std::string& folder) {
  return is_folder(folder) && path_exists(folder + "/" + kManifest);
}

void save_checkpoint(const std::string& folder, const CheckpointContent& content) {
  const fs::path target = fs::absolute(without_trailing_slash(folder));
  const std::string parent = target.parent_path().string();
  make_folders(parent);
  // A hidden name that says what it is; clean() removes it after a crash.
  const std::string beside =
      parent + "/." + target.filename().string() + ".part" + std::to_string(::getpid());
  std::error_code ignored;
  fs::remove_all(beside, ignored);
  Progress progress;
  try {
    make_folders(beside);
    progress.done();
    FolderWriter writer(beside, progress);
    writer.tensors("model.safetensors", content.model);
    writer.text("config.toml", write_toml(content.config));
    if (!content.optimizer.empty()) writer.tensors("optimizer.safetensors", content.optimizer);
    if (!content.state.empty()) writer.tensors("state.safetensors", content.state);
    if (!content.cursor.empty()) writer.text("cursor.json", write_json(content.cursor, 1) + "\n");
    Table manifest{{"format", kFormat},
                   {"version", kVersion},
                   {"files", writer.files()},
                   {"facts", content.facts}};
    write_file_atomic(beside + "/" + kManifest, manifest_text(manifest));
    progress.done();
    sync_path(beside);
    progress.done();
    move_into_place(beside, target.string());
    progress.done();
    sync_path(parent);
  } catch (...) {
    fs::remove_all(beside, ignored);
    throw;
  }
}

CheckpointContent load_checkpoint(const std::string& given, CheckpointParts parts) {
  const std::string folder = without_trailing_slash(given);
  const Table manifest = read_manifest(folder);
  const Table& files = table_in(manifest, "files", folder);
  for (const auto& entry : files) {
    bool training = entry.first != "model.safetensors" && entry.first != "config.toml";
    if (parts == CheckpointParts::kAll || !training) VerifiedFile(folder, entry.first, files);
  }
  CheckpointContent content;
  content.facts = table_in(manifest, "facts", folder);
  VerifiedFile config(folder, "config.toml", files);
  content.config = parse_toml(config.text(), config.path());
  content.model = VerifiedFile(folder, "model.safetensors", files).mapped_tensors();
  if (parts == CheckpointParts::kModel) return content;
  if (find(files, "optimizer.safetensors")) {
    content.optimizer = VerifiedFile(folder, "optimizer.safetensors", files).tensors();
  }
  if (find(files, "state.safetensors")) {
    content.state = VerifiedFile(folder, "state.safetensors", files).tensors();
  }
  if (find(files, "cursor.json")) {
    VerifiedFile cursor(folder, "cursor.json", files);
    Value value = parse_json(cursor.text(), cursor.path());
    if (!value.is_table()) fail(cursor.path(), value.type_name(), "a table");
    content.cursor = value.as_table();
  }
  return content;
}

Table checkpoint_config(const std::string& given) {
  const std::string folder = without_trailing_slash(given);
  const Table manifest = read_manifest(folder);
  VerifiedFile config(folder, "config.toml", table_in(manifest, "files", folder));
  return parse_toml(config.text(), config.path());
}

Table checkpoint_facts(const std::string& given) {
  const std::string folder = without_trailing_slash(given);
  const Table manifest = read_manifest(folder);
  const Table& files = table_in(manifest, "files", folder);
  for (const auto& entry : files) VerifiedFile(folder, entry.first, files);
  return table_in(manifest, "facts", folder);
}

std::string checkpoint_damage(const std::string& given, bool deep) {
  const std::string folder = without_trailing_slash(given);
  try {
    checkpoint_facts(folder);
    if (!deep) return "";
    const Table manifest = read_manifest(folder);
    const Table& files = table_in(manifest, "files", folder);
    for (const auto& entry : files) {
      const std::string path = folder + "/" + entry.first;
      check_hash(path, file_hash(path), file_facts(files, entry.first, folder));
    }
    return "";
  } catch (const Error& error) {
    return error.what();
  }
}

}  // namespace rmkv
