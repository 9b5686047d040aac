// Chooses the reader for a path.
#include "core/data/open_source.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <vector>

#include "core/base/file.h"
#include "core/base/option_reader.h"
#include "core/data/filtered_source.h"
#include "core/data/hub.h"
#include "core/data/parquet_source.h"
#include "core/data/text_source.h"
#include "core/data/token_source.h"
#include "core/data/watched_source.h"

namespace rmkv {

namespace fs = std::filesystem;

namespace {

enum class Kind { kText, kJson, kCsv, kTsv, kParquet, kTokens, kOther };

const std::vector<std::pair<std::string, Kind>> kEndings = {
    {".txt", Kind::kText},   {".md", Kind::kText},         {".text", Kind::kText},
    {".jsonl", Kind::kJson}, {".ndjson", Kind::kJson},     {".csv", Kind::kCsv},
    {".tsv", Kind::kTsv},    {".parquet", Kind::kParquet}, {".bin", Kind::kTokens},
    {".npy", Kind::kTokens}};
// Read as text these would train a model on noise.
const std::vector<std::string> kBinaryEndings = {
    ".gz",  ".zst", ".xz",  ".bz2", ".zip", ".tar",  ".arrow", ".idx",        ".npz",
    ".pdf", ".pt",  ".pth", ".png", ".jpg", ".gguf", ".epub",  ".safetensors"};

std::string ending_of(const std::string& path) {
  std::string ending = fs::path(path).extension().string();
  std::transform(ending.begin(), ending.end(), ending.begin(),
                 [](unsigned char c) { return std::tolower(c); });
  return ending;
}

Kind kind_of(const std::string& path) {
  std::string inner = ending_of(without_compression(path));
  for (const auto& [ending, kind] : kEndings) {
    // Token files and parquet are read in place: inside gzip that would be slow.
    bool packed = is_compressed(path) && (kind == Kind::kParquet || kind == Kind::kTokens);
    if (ending == inner) return packed ? Kind::kOther : kind;
  }
  return Kind::kOther;
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

SourcePtr make_source(Kind kind, const std::string& name, std::vector<SourceFile> files,
                      OptionReader& reader) {
  if (kind == Kind::kTokens) {
    TokenSourceOptions options;
    reader.read("piece_tokens", options.piece_tokens, 2, int64_t{1} << 28);
    reader.read("separator", options.separator, 0, INT32_MAX);
    reader.finish();
    return std::make_shared<TokenSource>(name, std::move(files), options);
  }
  if (kind == Kind::kText) {
    TextSourceOptions options;
    reader.read("split", options.split, {"pieces", "file", "paragraphs"});
    reader.read("document_bytes", options.document_bytes, 0);
    reader.read("special_tokens", options.special_tokens);
    reader.finish();
    if (options.split != "paragraphs")
      return std::make_shared<TextSource>(name, std::move(files), options);
    LineOptions lines;
    lines.format = LineFormat::kParagraphs;
    lines.row.special_tokens = options.special_tokens;
    return std::make_shared<LineSource>(name, std::move(files), lines);
  }
  if (kind == Kind::kParquet) {
    RowOptions options;
    options.read(reader);
    reader.finish();
    return std::make_shared<ParquetSource>(name, std::move(files), std::move(options));
  }
  LineOptions options;
  options.row.read(reader);
  if (kind != Kind::kJson) reader.read("header", options.header);
  reader.finish();
  options.format = kind == Kind::kJson  ? LineFormat::kJson
                   : kind == Kind::kCsv ? LineFormat::kCsv
                                        : LineFormat::kTsv;
  return std::make_shared<LineSource>(name, std::move(files), options);
}

// What every source may be told.
struct Common {
  std::string name, cache = default_cache_folder(), journal;
  bool watch = false;
  List filters;

  Common(std::string usual_name, OptionReader& reader) : name(std::move(usual_name)) {
    reader.read("name", name);
    reader.read("cache", cache);
    reader.read("watch", watch);
    reader.read("journal", journal);
    const Value* given = reader.take("filters");
    if (given != nullptr && !(given->is_table() && given->as_table().empty()))
      filters = given->as_list();
  }
  SourcePtr filtered(SourcePtr source) const {
    if (filters.empty()) return source;
    return std::make_shared<FilteredSource>(std::move(source), filters, cache);
  }
};

SourcePtr open_hub_source(const std::string& path, OptionReader& reader, const Common& common) {
  HubPath parsed = parse_hub_path(path);
  HubData data = open_hub(parsed, common.cache);
  Kind kind = kind_of(data.files[0].relative_name);
  for (const SourceFile& file : data.files) {
    if (kind_of(file.relative_name) != kind)
      fail("data " + path, data.files[0].relative_name + " and " + file.relative_name,
           "files of one kind", "name a configuration: hub:owner/name:config/split");
  }
  return make_source(kind, common.name, std::move(data.files), reader);
}

SourcePtr open_file(const std::string& given_path, const std::string& path, OptionReader& reader,
                    const Common& common) {
  Kind kind = kind_of(path);
  bool binary = std::find(kBinaryEndings.begin(), kBinaryEndings.end(), ending_of(path)) !=
                kBinaryEndings.end();
  if (kind == Kind::kOther && binary) {
    fail("data " + given_path, "a " + ending_of(path) + " file",
         "text, .jsonl, .csv, .tsv (also .gz, .zst), .parquet, .npy or .bin");
  }
  if (kind == Kind::kOther) kind = Kind::kText;
  std::string root = fs::path(path).parent_path().string();
  return make_source(kind, common.name, open_source_files({path}, root, common.cache), reader);
}

// Files of one kind in a folder; throws where there are none, or several kinds.
std::pair<Kind, std::vector<std::string>> data_files(const std::string& given_path,
                                                     const std::string& path) {
  std::vector<std::string> files = files_below(path);
  std::map<Kind, std::vector<std::string>> by_kind;
  for (const std::string& file : files) {
    Kind kind = kind_of(file);
    if (kind != Kind::kOther) by_kind[kind].push_back(file);
  }
  // A README beside tables or token files is not data.
  if (by_kind.size() == 2 && by_kind.count(Kind::kText)) {
    auto& texts = by_kind[Kind::kText];
    bool notes = std::all_of(texts.begin(), texts.end(),
                             [](const std::string& file) { return ending_of(file) == ".md"; });
    if (notes) by_kind.erase(Kind::kText);
  }
  if (by_kind.size() > 1) {
    std::string list;
    for (const auto& [kind, some] : by_kind)
      list += (list.empty() ? "" : ", ") + std::to_string(some.size()) + " like " +
              fs::path(some[0]).filename().string();
    fail("data " + given_path, list, "a folder of one kind", "name the files one by one");
  }
  if (by_kind.empty()) {
    fail("data " + given_path,
         files.empty() ? "an empty folder"
                       : "no such file among " + std::to_string(files.size()) +
                             " (first: " + fs::path(files[0]).filename().string() + ")",
         ".txt, .md, .jsonl, .csv, .tsv (also .gz, .zst), .parquet, .npy or .bin files");
  }
  return *by_kind.begin();
}

// `table`: the options, read anew each time that files join.
SourcePtr open_watched(const std::string& given_path, const std::string& path, const Table& table,
                       const Common& common) {
  const Kind kind = data_files(given_path, path).first;
  WatchedFolder folder;
  folder.path = path;
  folder.journal = common.journal;
  folder.list = [path, kind] {
    std::vector<std::string> names;
    for (const std::string& file : files_below(path)) {
      if (kind_of(file) == kind) names.push_back(fs::path(file).lexically_relative(path).string());
    }
    return names;
  };
  // The size of pieces is that of the first files: those that join must not move the ids of others.
  auto pieces = std::make_shared<int64_t>(0);
  folder.open = [given_path, path, table, kind, pieces](const std::vector<std::string>& paths) {
    Table options = table;
    if (*pieces > 0) options["document_bytes"] = *pieces;
    OptionReader reader(options, "data " + given_path);
    Common again(fs::path(path).filename().string(), reader);
    SourcePtr source =
        make_source(kind, again.name, open_source_files(paths, path, again.cache), reader);
    if (const auto* text = dynamic_cast<const TextSource*>(source.get()))
      *pieces = text->piece_bytes();
    return source;
  };
  return std::make_shared<WatchedSource>(std::move(folder));
}

}  // namespace

SourcePtr open_source(const std::string& given_path, const Table& table) {
  OptionReader reader(table, "data " + given_path);
  if (is_hub_path(given_path)) {
    Common common(given_path.substr(4), reader);
    return common.filtered(open_hub_source(given_path, reader, common));
  }
  std::string path = given_path;
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  if (path.empty() || !path_exists(path))
    fail("data '" + given_path + "'", "nothing there", "a file or a folder");
  Common common(fs::path(path).filename().string(), reader);
  if (common.watch && !is_folder(path)) fail("data " + given_path, "a file", "a folder to watch");
  if (common.watch) return common.filtered(open_watched(given_path, path, table, common));
  if (!is_folder(path)) return common.filtered(open_file(given_path, path, reader, common));
  auto [kind, files] = data_files(given_path, path);
  return common.filtered(
      make_source(kind, common.name, open_source_files(files, path, common.cache), reader));
}

}  // namespace rmkv
