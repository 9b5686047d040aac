// Chooses the reader for a path.
#include "core/data/open_source.h"

#include <algorithm>
#include <filesystem>
#include <vector>

#include "core/base/file.h"
#include "core/base/option_reader.h"
#include "core/data/jsonl_source.h"
#include "core/data/text_source.h"

namespace rmkv {

namespace fs = std::filesystem;

namespace {

const std::vector<std::string> kTextEndings = {".txt", ".md", ".text"};
const std::vector<std::string> kJsonlEndings = {".jsonl", ".ndjson"};
// Read as text these would train a model on noise.
const std::vector<std::string> kBinaryEndings = {
    ".gz",  ".zst", ".xz",  ".bz2", ".zip", ".tar", ".parquet",     ".arrow", ".bin",
    ".npy", ".npz", ".pdf", ".pt",  ".pth", ".png", ".safetensors", ".jpg",   ".epub"};

bool has_ending(const fs::path& path, const std::vector<std::string>& endings) {
  std::string ending = path.extension().string();
  std::transform(ending.begin(), ending.end(), ending.begin(),
                 [](unsigned char c) { return std::tolower(c); });
  return std::find(endings.begin(), endings.end(), ending) != endings.end();
}

bool hidden(const fs::path& path) {
  std::string name = path.filename().string();
  return !name.empty() && name[0] == '.';
}

// All files of a folder and its folders, without hidden ones, sorted by path.
std::vector<std::string> files_below(const std::string& folder) {
  std::vector<std::string> files;
  std::error_code code;
  fs::recursive_directory_iterator at(folder, code), end;
  for (; !code && at != end; at.increment(code)) {
    if (hidden(at->path())) {
      if (at->is_directory(code)) at.disable_recursion_pending();
    } else if (at->is_regular_file(code)) {
      files.push_back(at->path().string());
    }
    code.clear();
  }
  if (code) fail_because(folder, "cannot list: " + code.message());
  std::sort(files.begin(), files.end());
  return files;
}

std::vector<std::string> with_ending(const std::vector<std::string>& files,
                                     const std::vector<std::string>& endings) {
  std::vector<std::string> chosen;
  for (const std::string& file : files) {
    if (has_ending(file, endings)) chosen.push_back(file);
  }
  return chosen;
}

SourcePtr make_text(const std::string& name, const std::vector<std::string>& files,
                    const std::string& root, OptionReader& reader) {
  TextSourceOptions options;
  reader.read("split", options.split, {"pieces", "file", "paragraphs"});
  reader.read("document_bytes", options.document_bytes, 0);
  reader.read("special_tokens", options.special_tokens);
  reader.finish();
  return std::make_shared<TextSource>(name, files, root, options);
}

SourcePtr make_jsonl(const std::string& name, const std::vector<std::string>& files,
                     const std::string& root, OptionReader& reader) {
  JsonlOptions options;
  reader.read("text", options.text);
  reader.read("prompt", options.prompt);
  reader.read("mask_prompt", options.mask_prompt);
  reader.read("special_tokens", options.special_tokens);
  reader.finish();
  return std::make_shared<JsonlSource>(name, files, root, options);
}

}  // namespace

SourcePtr open_source(const std::string& given_path, const Table& table) {
  std::string path = given_path;
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  if (path.empty() || !path_exists(path)) {
    fail("data '" + given_path + "'", "nothing there", "a file or a folder");
  }
  OptionReader reader(table, "data " + given_path);
  std::string name = fs::path(path).filename().string();
  reader.read("name", name);
  if (!is_folder(path)) {
    if (has_ending(path, kBinaryEndings)) {
      fail("data " + given_path, "a " + fs::path(path).extension().string() + " file",
           "text or JSON lines (.jsonl)");
    }
    std::string root = fs::path(path).parent_path().string();
    if (has_ending(path, kJsonlEndings)) return make_jsonl(name, {path}, root, reader);
    return make_text(name, {path}, root, reader);
  }
  std::vector<std::string> files = files_below(path);
  std::vector<std::string> texts = with_ending(files, kTextEndings);
  std::vector<std::string> rows = with_ending(files, kJsonlEndings);
  if (!texts.empty() && !rows.empty()) {
    fail("data " + given_path,
         std::to_string(texts.size()) + " text files and " + std::to_string(rows.size()) +
             " JSON lines files",
         "a folder of one kind", "name the files one by one");
  }
  if (!rows.empty()) return make_jsonl(name, rows, path, reader);
  if (!texts.empty()) return make_text(name, texts, path, reader);
  fail("data " + given_path,
       files.empty() ? "an empty folder"
                     : "no such file among " + std::to_string(files.size()) +
                           " (first: " + fs::path(files[0]).filename().string() + ")",
       ".txt, .md, .text, .jsonl or .ndjson files");
}

}  // namespace rmkv
