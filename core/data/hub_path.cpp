// Parsing, matching, local caches.
#include "core/data/hub_path.h"

#include <algorithm>
#include <cstdlib>
#include <map>
#include <set>

#include "core/base/error.h"
#include "core/base/file.h"
#include "core/data/byte_file.h"

namespace rmkv {

namespace {

const std::vector<std::string> kEndings = {".parquet", ".jsonl", ".ndjson", ".csv", ".tsv", ".txt"};
// Words for one split (datasets, data_files.py).
const std::map<std::string, std::vector<std::string>> kSplitWords = {
    {"train", {"train", "training"}},
    {"validation", {"validation", "valid", "val", "dev"}},
    {"test", {"test", "testing", "eval", "evaluation"}}};

std::string trimmed(const std::string& text) {
  size_t begin = text.find_first_not_of(" \t\r\"'");
  if (begin == std::string::npos) return "";
  return text.substr(begin, text.find_last_not_of(" \t\r\"'") + 1 - begin);
}

bool is_data(const std::string& file) {
  std::string inner = without_compression(file);
  return std::any_of(kEndings.begin(), kEndings.end(),
                     [&](const std::string& ending) { return inner.ends_with(ending); });
}

struct CardFiles {
  std::string config, split, pattern;
  bool is_default = false;
};

// `configs:` of a card's header: the subset of YAML that cards are written in.
std::vector<CardFiles> read_card(const std::string& card) {
  std::vector<CardFiles> found;
  if (card.compare(0, 3, "---") != 0) return found;
  std::string config = "default", split = "train";
  bool inside = false, in_files = false, is_default = false;
  size_t list_indent = 0;
  for (size_t at = card.find('\n'); at != std::string::npos;) {
    size_t end = card.find('\n', at + 1);
    std::string line = card.substr(at + 1, end == std::string::npos ? end : end - at - 1);
    at = end;
    if (line.compare(0, 3, "---") == 0) break;
    size_t indent = line.find_first_not_of(' ');
    if (indent == std::string::npos) continue;
    if (indent == 0 && line[0] != '-') {
      inside = line.compare(0, 8, "configs:") == 0;
      continue;
    }
    if (!inside) continue;
    bool item = line[indent] == '-';
    std::string body = trimmed(item ? line.substr(indent + 1) : line.substr(indent));
    size_t colon = body.find(':');
    std::string key = colon == std::string::npos ? "" : body.substr(0, colon);
    std::string value = colon == std::string::npos ? body : trimmed(body.substr(colon + 1));
    if (key == "config_name") {
      config = value;
      split = "train";
      in_files = is_default = false;
    } else if (key == "default") {
      is_default = value == "true";
      for (CardFiles& entry : found) entry.is_default |= is_default && entry.config == config;
    } else if (key == "data_files") {
      in_files = true;
      list_indent = indent;
      if (!value.empty()) found.push_back({config, split, value, is_default});
    } else if (in_files && key == "split") {
      split = value;
    } else if (in_files && key == "path" && !value.empty()) {
      found.push_back({config, split, value, is_default});
    } else if (in_files && item && key.empty() && indent >= list_indent) {
      found.push_back({config, split, value, is_default});
    }
  }
  return found;
}

std::set<std::string> words_of(const std::string& path) {
  std::set<std::string> words;
  std::string word;
  for (char c : path + "/") {
    if (std::isalnum(static_cast<unsigned char>(c))) {
      word += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    } else {
      if (!word.empty()) words.insert(word);
      word.clear();
    }
  }
  return words;
}

std::string split_of(const std::string& file) {
  std::set<std::string> words = words_of(without_compression(file));
  for (const auto& [split, names] : kSplitWords) {
    for (const std::string& name : names) {
      if (words.count(name)) return split;
    }
  }
  return "";
}

std::string joined(const std::set<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

}  // namespace

bool is_hub_path(const std::string& path) {
  return path.compare(0, 4, "hub:") == 0;
}

HubPath parse_hub_path(const std::string& path) {
  HubPath parsed;
  std::string rest = path.substr(4);
  size_t colon = rest.find(':');
  if (colon != std::string::npos) {
    std::string choice = rest.substr(colon + 1);
    rest.resize(colon);
    // The split is the last word; a configuration may hold a slash itself only in a folder's name.
    size_t slash = choice.rfind('/');
    parsed.config = choice.substr(0, slash);
    if (slash != std::string::npos) parsed.split = choice.substr(slash + 1);
    if (parsed.split.empty()) fail("data " + path, "no split behind the slash", "config/split");
  }
  if (!rest.empty() && (rest[0] == '/' || rest[0] == '.')) {
    parsed.folder = rest;
    return parsed;
  }
  size_t at = rest.find('@');
  if (at != std::string::npos) {
    parsed.revision = rest.substr(at + 1);
    rest.resize(at);
  }
  parsed.repository = rest;
  auto plain = [](const std::string& text) {
    return !text.empty() && text != "." && text != ".." &&
           std::all_of(text.begin(), text.end(), [](unsigned char c) {
             return std::isalnum(c) || c == '-' || c == '_' || c == '.';
           });
  };
  size_t slash = rest.find('/');
  if (slash == std::string::npos || !plain(rest.substr(0, slash)) ||
      !plain(rest.substr(slash + 1)) || parsed.revision.empty() ||
      parsed.revision.find("..") != std::string::npos)
    fail("data " + path, "'" + rest + "'", "hub:owner/name[@revision][:config/split]");
  return parsed;
}

bool fits_pattern(const std::string& path, const std::string& pattern) {
  // fits[t]: the pattern's part so far takes exactly the first t characters.
  std::vector<bool> fits(path.size() + 1, false);
  fits[0] = true;
  for (size_t p = 0; p < pattern.size(); ++p) {
    std::vector<bool> next(path.size() + 1, false);
    if (pattern[p] == '*') {
      bool deep = p + 1 < pattern.size() && pattern[p + 1] == '*';
      if (deep) ++p;
      // "**/" also stands for no folder at all.
      bool slash = deep && p + 1 < pattern.size() && pattern[p + 1] == '/';
      if (slash) ++p;
      for (size_t t = 0; t <= path.size(); ++t) {
        next[t] = fits[t] || (t > 0 && next[t - 1] && (deep || path[t - 1] != '/'));
      }
      const std::vector<bool> reached = next;
      for (size_t t = 1; slash && t <= path.size(); ++t)
        next[t] = fits[t] || (reached[t] && path[t - 1] == '/');
    } else {
      for (size_t t = 0; t < path.size(); ++t)
        next[t + 1] = fits[t] && (pattern[p] == path[t] || (pattern[p] == '?' && path[t] != '/'));
    }
    fits = std::move(next);
  }
  return fits[path.size()];
}

std::vector<std::string> choose_hub_files(const std::vector<std::string>& all,
                                          const std::string& card, const HubPath& wanted) {
  std::vector<std::string> files, chosen;
  for (const std::string& file : all) {
    if (is_data(file)) files.push_back(file);
  }
  std::sort(files.begin(), files.end());
  std::string where =
      "data " + (wanted.folder.empty() ? "hub:" + wanted.repository : wanted.folder);
  std::vector<CardFiles> entries = read_card(card);
  std::set<std::string> configs, splits;
  if (!entries.empty()) {
    std::string config = wanted.config;
    if (config.empty()) {
      config = entries[0].config;
      for (const CardFiles& entry : entries) {
        if (entry.config == "default") config = "default";
      }
      for (const CardFiles& entry : entries) {
        if (entry.is_default) config = entry.config;
      }
    }
    for (const CardFiles& entry : entries) {
      configs.insert(entry.config);
      if (entry.config != config) continue;
      splits.insert(entry.split);
      if (wanted.split != "all" && entry.split != wanted.split) continue;
      for (const std::string& file : files) {
        if (fits_pattern(file, entry.pattern)) chosen.push_back(file);
      }
    }
    if (!configs.count(config) && !wanted.config.empty())
      fail(where, "no configuration '" + config + "'", joined(configs));
  } else {
    for (const std::string& file : files) {
      size_t slash = file.rfind('/');
      std::string folder = slash == std::string::npos ? "" : file.substr(0, slash);
      if (!folder.empty()) configs.insert(folder);
      bool inside = wanted.config.empty() || wanted.config == "default" ||
                    ("/" + folder + "/").find("/" + wanted.config + "/") != std::string::npos;
      if (!inside) continue;
      std::string split = split_of(file);
      if (split.empty() && words_of(file).count(wanted.split)) split = wanted.split;
      // Without a word for a split, a file belongs to the training part.
      if (split.empty()) split = "train";
      splits.insert(split);
      if (wanted.split == "all" || split == wanted.split) chosen.push_back(file);
    }
  }
  std::sort(chosen.begin(), chosen.end());
  chosen.erase(std::unique(chosen.begin(), chosen.end()), chosen.end());
  if (chosen.empty()) {
    if (!wanted.config.empty() && splits.empty())
      fail(where, "no files of '" + wanted.config + "'",
           configs.empty() ? "data files" : "one of: " + joined(configs));
    fail(where, "no files of the split '" + wanted.split + "'",
         splits.empty() ? "parquet, JSON lines, CSV or text" : "one of: " + joined(splits));
  }
  return chosen;
}

std::string find_hub_snapshot(const HubPath& path) {
  if (!path.folder.empty()) return path.folder;
  std::vector<std::string> roots;
  auto add = [&](const char* variable, const std::string& below) {
    const char* value = std::getenv(variable);
    if (value != nullptr && *value != '\0') roots.push_back(value + below);
  };
  add("HF_HUB_CACHE", "");
  add("HF_HOME", "/hub");
  add("XDG_CACHE_HOME", "/huggingface/hub");
  add("HOME", "/.cache/huggingface/hub");
  std::string name = path.repository;
  name.replace(name.find('/'), 1, "--");
  for (const std::string& root : roots) {
    std::string base = root + "/datasets--" + name;
    std::string commit = path.revision, reference = base + "/refs/" + path.revision;
    if (path_exists(reference) && !is_folder(reference))
      commit = trimmed(read_file(reference, 4096));
    while (!commit.empty() && commit.back() == '\n') commit.pop_back();
    if (is_folder(base + "/snapshots/" + commit)) return base + "/snapshots/" + commit;
  }
  return "";
}

}  // namespace rmkv
