// Fingerprints of files and their comparison.
#include "core/data/manifest.h"

#include <algorithm>
#include <map>

#include "core/base/error.h"
#include "core/base/file.h"
#include "core/data/file_range.h"

namespace rmkv {

namespace {

// Ten thousand files have to be described within a fraction of a second.
constexpr uint64_t kSampleBytes = uint64_t{8} << 10;
constexpr uint64_t kSamples = 8;
constexpr uint64_t kWholeBytes = kSampleBytes * kSamples;

// The list under "files" as a map by path; nullptr entries never occur.
std::map<std::string, const Table*> files_by_path(const Table& table) {
  std::map<std::string, const Table*> files;
  const Value* list = find(table, "files");
  if (list == nullptr || !list->is_list()) return files;
  for (const Value& entry : list->as_list()) {
    if (!entry.is_table()) continue;
    const Value* path = find(entry.as_table(), "path");
    if (path != nullptr && path->is_string()) files[path->as_string()] = &entry.as_table();
  }
  return files;
}

void compare_values(const std::string& where, const Value& saved, const Value& current,
                    std::vector<std::string>& lines);

void compare_files(const std::string& where, const Table& saved, const Table& current,
                   std::vector<std::string>& lines) {
  auto before = files_by_path(saved), after = files_by_path(current);
  for (const auto& [path, facts] : before) {
    std::string name = where + path;
    auto now = after.find(path);
    if (now == after.end()) {
      lines.push_back(name + ": missing");
      continue;
    }
    const Value *old_size = find(*facts, "size"), *size = find(*now->second, "size");
    if (old_size != nullptr && size != nullptr && !(*old_size == *size)) {
      lines.push_back(name + ": " + size->to_text() + " bytes, was " + old_size->to_text());
    } else if (!(*facts == *now->second)) {
      lines.push_back(name + ": content changed");
    }
  }
  for (const auto& [path, facts] : after) {
    if (before.count(path) == 0) lines.push_back(where + path + ": new");
  }
}

void compare_tables(const std::string& where, const Table& saved, const Table& current,
                    std::vector<std::string>& lines) {
  for (const auto& [key, value] : saved) {
    if (key == "files") continue;
    const Value* now = find(current, key);
    if (now == nullptr) {
      lines.push_back(where + key + ": missing, was " + value.to_text());
    } else {
      compare_values(where + key, value, *now, lines);
    }
  }
  for (const auto& [key, value] : current) {
    if (key != "files" && find(saved, key) == nullptr) {
      lines.push_back(where + key + ": new, " + value.to_text());
    }
  }
  compare_files(where, saved, current, lines);
}

// Entries of a list of sources are called by their names.
std::string entry_name(const Value& entry, size_t index) {
  if (entry.is_table()) {
    const Value* name = find(entry.as_table(), "name");
    if (name != nullptr && name->is_string()) return name->as_string();
  }
  return std::to_string(index + 1);
}

void compare_values(const std::string& where, const Value& saved, const Value& current,
                    std::vector<std::string>& lines) {
  if (saved.is_table() && current.is_table()) {
    compare_tables(where + "/", saved.as_table(), current.as_table(), lines);
  } else if (saved.is_list() && current.is_list() &&
             saved.as_list().size() == current.as_list().size()) {
    for (size_t i = 0; i < saved.as_list().size(); ++i) {
      const Value& entry = saved.as_list()[i];
      compare_values(where + "/" + entry_name(entry, i), entry, current.as_list()[i], lines);
    }
  } else if (!(saved == current)) {
    lines.push_back(where + ": " + current.to_text() + ", was " + saved.to_text());
  }
}

}  // namespace

Table describe_file(const std::string& path, const std::string& relative_name) {
  RangeReader file(path);
  uint64_t size = file.size_bytes();
  std::string hash;
  if (size <= kWholeBytes) {
    hash = content_hash(file.read(0, size));
  } else {
    std::string samples;
    for (uint64_t i = 0; i < kSamples; ++i) {
      samples += file.read((size - kSampleBytes) / (kSamples - 1) * i, kSampleBytes);
    }
    samples += file.read(size - kSampleBytes, kSampleBytes);
    hash = content_hash(samples);
  }
  return {{"path", relative_name}, {"size", size}, {"hash", hash}};
}

std::vector<std::string> manifest_differences(const Table& saved, const Table& current) {
  std::vector<std::string> lines;
  compare_tables("", saved, current, lines);
  return lines;
}

void require_same_data(const Table& saved, const Table& current) {
  std::vector<std::string> lines = manifest_differences(saved, current);
  if (lines.empty()) return;
  constexpr size_t kShown = 10;
  std::string text = "the data is not what the run was started with:";
  for (size_t i = 0; i < std::min(kShown, lines.size()); ++i) text += "\n  " + lines[i];
  if (lines.size() > kShown) text += "\n  and " + std::to_string(lines.size() - kShown) + " more";
  fail_because("data", text, "bring the old data back, or start a new run");
}

}  // namespace rmkv
