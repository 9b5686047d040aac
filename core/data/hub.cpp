// Listing, fetching, keeping.
#include "core/data/hub.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <optional>

#include "core/base/cancel.h"
#include "core/base/error.h"
#include "core/base/file.h"
#include "core/base/json.h"
#include "core/base/sha256.h"
#include "core/data/http.h"

namespace rmkv {

namespace {

// A file's chunks are listed in memory.
constexpr uint64_t kLargestFile = uint64_t{1} << 40;
constexpr uint64_t kLargestCard = uint64_t{16} << 20;
constexpr size_t kMostPages = 10'000;

std::string set_variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

std::string hub_endpoint() {
  std::string endpoint = set_variable("HF_ENDPOINT");
  if (endpoint.empty()) endpoint = "https://huggingface.co";
  while (endpoint.back() == '/') endpoint.pop_back();
  return endpoint;
}

std::string hub_token() {
  std::string token = set_variable("HF_TOKEN"), path = set_variable("HF_TOKEN_PATH");
  if (token.empty()) {
    if (path.empty()) path = set_variable("HF_HOME");
    if (!path.empty() && is_folder(path)) path += "/token";
    if (path.empty()) path = set_variable("HOME") + "/.cache/huggingface/token";
    if (path_exists(path) && !is_folder(path)) token = read_file(path, 4096);
  }
  while (!token.empty() && std::isspace(static_cast<unsigned char>(token.back()))) token.pop_back();
  return token;
}

// A part of a URL: slashes stay where `slashes` says so.
std::string escaped(const std::string& text, bool slashes) {
  static const char* digits = "0123456789ABCDEF";
  std::string out;
  for (unsigned char c : text) {
    if (std::isalnum(c) || c == '-' || c == '_' || c == '.' || c == '~' || (slashes && c == '/')) {
      out += static_cast<char>(c);
    } else {
      out += '%';
      out += digits[c >> 4];
      out += digits[c & 15];
    }
  }
  return out;
}

struct Listed {
  std::string path, identity;
  uint64_t size = 0;
};

HttpAnswer ask(const std::string& url, const std::string& what) {
  HttpRequest request;
  request.url = url;
  request.token = hub_token();
  HttpAnswer answer = http_get(request);
  if (answer.status == 401 || answer.status == 403) {
    fail_because(what, "the hub refuses (" + std::to_string(answer.status) + ")",
                 "a gated or private data set needs a token in HF_TOKEN");
  }
  if (answer.status != 200)
    fail(what, "answer " + std::to_string(answer.status) + " of " + url, "the data set's page");
  return answer;
}

void check_listed(const Listed& file, const std::string& where) {
  if (file.size > kLargestFile || file.path.empty() || file.path.find("..") != std::string::npos)
    fail(where, "'" + file.path + "' of " + std::to_string(file.size) + " bytes", "a file");
}

// An entry of the listing in our cache.
Listed kept_entry(const Value& entry, const std::string& where) {
  auto field = [&](const char* key) -> const Value& {
    const Value* value = find(entry.as_table(), key);
    if (value == nullptr) {
      fail(where, "no '" + std::string(key) + "'", "path, hash and size of each file",
           "the cache is damaged: remove this file");
    }
    return *value;
  };
  Listed file{field("path").as_string(), field("hash").as_string(),
              static_cast<uint64_t>(field("size").as_int())};
  check_listed(file, where);
  return file;
}

std::string next_page(const HttpAnswer& answer) {
  auto link = answer.headers.find("link");
  if (link == answer.headers.end() || link->second.find("rel=\"next\"") == std::string::npos)
    return "";
  size_t open = link->second.find('<'), close = link->second.find('>');
  return open == std::string::npos || close == std::string::npos
             ? ""
             : link->second.substr(open + 1, close - open - 1);
}

// An entry of the hub's listing; nothing for what is no file.
std::optional<Listed> listed_entry(const Table& entry) {
  const Value *type = find(entry, "type"), *path = find(entry, "path"), *size = find(entry, "size"),
              *oid = find(entry, "oid"), *lfs = find(entry, "lfs");
  if (type == nullptr || path == nullptr || type->as_string() != "file") return std::nullopt;
  Listed file{path->as_string(), oid != nullptr ? oid->as_string() : "", 0};
  if (size != nullptr) file.size = static_cast<uint64_t>(std::max<int64_t>(0, size->as_int()));
  if (lfs != nullptr && lfs->is_table()) {
    const Value *hash = find(lfs->as_table(), "oid"), *real = find(lfs->as_table(), "size");
    if (hash != nullptr) file.identity = hash->as_string();
    if (real != nullptr) file.size = static_cast<uint64_t>(std::max<int64_t>(0, real->as_int()));
  }
  return file;
}

std::vector<Listed> list_files(const std::string& what, const std::string& url) {
  std::vector<Listed> files;
  std::string page = url;
  for (size_t count = 0; !page.empty() && count < kMostPages; ++count) {
    HttpAnswer answer = ask(page, what);
    Value listing = parse_json(answer.body, page);
    try {
      for (const Value& value : listing.as_list()) {
        std::optional<Listed> file = listed_entry(value.as_table());
        if (!file) continue;
        check_listed(*file, what);
        files.push_back(std::move(*file));
      }
    } catch (const Error& error) {
      // A value of another kind does not know where it stands.
      throw Error(page + ": " + error.what());
    }
    page = next_page(answer);
  }
  return files;
}

std::vector<std::string> files_in(const std::string& folder) {
  std::vector<std::string> files;
  std::error_code code;
  namespace fs = std::filesystem;
  for (fs::recursive_directory_iterator at(folder, code), end; !code && at != end;
       at.increment(code)) {
    std::string name = at->path().filename().string();
    if (name[0] == '.' && at->is_directory(code)) at.disable_recursion_pending();
    if (at->is_regular_file(code) && name[0] != '.')
      files.push_back(at->path().lexically_relative(folder).string());
  }
  if (code) fail_because(folder, "cannot list: " + code.message());
  return files;
}

HubData open_snapshot(const std::string& folder, const HubPath& path, const std::string& cache) {
  HubData data;
  std::string card;
  if (path_exists(folder + "/README.md")) card = read_file(folder + "/README.md", 1 << 24);
  for (const std::string& file : choose_hub_files(files_in(folder), card, path))
    data.files.push_back({open_byte_file(folder + "/" + file, cache), file});
  return data;
}

}  // namespace

namespace {

bool is_sha256(const std::string& identity) {
  return identity.size() == 64 &&
         identity.find_first_not_of("0123456789abcdef") == std::string::npos;
}

// An answer names the content that it is of: by SHA-256 for large files, by git's name for small
// ones.  What a content network behind the hub calls its copy says nothing.
void require_same_content(const HttpAnswer& answer, const std::string& url,
                          const std::string& identity) {
  auto header = answer.headers.find(is_sha256(identity) ? "x-linked-etag" : "etag");
  if (header == answer.headers.end()) return;
  std::string tag = header->second;
  if (tag.compare(0, 2, "W/") == 0) tag.erase(0, 2);
  if (tag.size() >= 2 && tag.front() == '"') tag = tag.substr(1, tag.size() - 2);
  if (tag.size() == identity.size() && tag != identity)
    fail(url, "another version of the file (" + tag + ")", identity + ", as the hub lists it",
         "remove its folder in the cache, so that the files are listed anew");
}

}  // namespace

HubFile::HubFile(std::string url, std::string token, uint64_t size_bytes, std::string identity,
                 std::string folder, uint64_t chunk_size)
    : ChunkedFile(std::move(url)),
      token_(std::move(token)),
      identity_(std::move(identity)),
      folder_(std::move(folder)) {
  size_bytes_ = size_bytes;
  for (uint64_t begin = 0; begin < size_bytes; begin += chunk_size) begins_.push_back(begin);
}

std::string HubFile::chunk_path(size_t index) const {
  return folder_ + "/" + std::to_string(index);
}

bool HubFile::has_chunk(size_t index) const {
  const std::string path = chunk_path(index);
  return path_exists(path) && file_size_bytes(path) == chunk_bytes(index);
}

std::string HubFile::fetch(size_t index) const {
  HttpRequest request;
  request.url = path_;
  request.token = token_;
  request.begin = begins_[index];
  request.length = chunk_bytes(index);
  HttpAnswer answer = http_get(request);
  if (answer.status / 100 != 2 || answer.body.size() != request.length) {
    fail(path_, "answer " + std::to_string(answer.status),
         "bytes from " + std::to_string(request.begin));
  }
  require_same_content(answer, path_, identity_);
  return std::move(answer.body);
}

void HubFile::check_when_whole() const {
  const std::string checked = folder_ + "/checked";
  if (!is_sha256(identity_) || path_exists(checked)) return;
  for (size_t i = 0; i < begins_.size(); ++i) {
    if (!has_chunk(i)) return;
  }
  Sha256 hash;
  for (size_t i = 0; i < begins_.size(); ++i) {
    check_cancelled("data: checking " + path_);
    hash.add(read_file(chunk_path(i)));
  }
  const std::string got = hash.finish();
  if (got != identity_) {
    std::error_code ignored;
    for (size_t i = 0; i < begins_.size(); ++i) std::filesystem::remove(chunk_path(i), ignored);
    fail(path_, "content with SHA-256 " + got, identity_ + ", as the hub lists it",
         "the transfer was damaged, or something on the way changed the file: what was fetched is "
         "thrown away, try again");
  }
  write_file_atomic(checked, "");
}

std::string HubFile::load_chunk(size_t index) const {
  std::string content;
  const bool fetched = !has_chunk(index);
  if (fetched) {
    content = fetch(index);
    make_folders(folder_);
    std::error_code ignored;
    std::filesystem::remove(folder_ + "/checked", ignored);
    write_file_atomic(chunk_path(index), content);
  } else {
    content = read_file(chunk_path(index));
  }
  std::lock_guard lock(check_mutex_);
  // A run may have ended between the last chunk and the check.
  if (fetched || !looked_) check_when_whole();
  looked_ = true;
  return content;
}

Table HubFile::describe(const std::string& name) const {
  return {{"path", name}, {"size", size_bytes_}, {"hash", identity_}};
}

std::string HubFile::whole(const std::string& name) const {
  std::string path = folder_ + "/" + std::filesystem::path(name).filename().string();
  if (path_exists(path) && file_size_bytes(path) == size_bytes_) return path;
  make_folders(folder_);
  AtomicFile file(path);
  // The last chunk checks all of them.
  for (size_t i = 0; i < begins_.size(); ++i) {
    check_cancelled("data: fetching " + name);
    file.write(load_chunk(i));
  }
  file.commit();
  std::error_code ignored;
  for (size_t i = 0; i < begins_.size(); ++i) std::filesystem::remove(chunk_path(i), ignored);
  return path;
}

HubData open_hub(const HubPath& path, const std::string& cache_folder) {
  std::string snapshot = find_hub_snapshot(path);
  if (!snapshot.empty()) return open_snapshot(snapshot, path, cache_folder);
  std::string what = "data hub:" + path.repository;
  std::string offline = set_variable("HF_HUB_OFFLINE");
  std::string repository = path.repository;
  repository.replace(repository.find('/'), 1, "--");
  std::string folder = cache_folder + "/hub/" + repository;
  std::string pinned = folder + "/" + escaped(path.revision, false) + ".commit";
  HubData data;
  bool is_offline = !offline.empty() && offline != "0";
  std::string base = hub_endpoint() + "/api/datasets/" + path.repository;
  // The commit that a revision meant when it was first used here stays: a run resumes with it.
  if (path_exists(pinned)) {
    data.commit = read_file(pinned, 4096);
  } else {
    if (is_offline) fail_because(what, "not in a local cache, and HF_HUB_OFFLINE is set");
    Value facts =
        parse_json(ask(base + "/revision/" + escaped(path.revision, false), what).body, what);
    const Value* sha = find(facts.as_table(), "sha");
    if (sha == nullptr) fail(what, "no commit in the hub's answer", "a field 'sha'");
    data.commit = sha->as_string();
    if (data.commit.empty() ||
        data.commit.find_first_not_of("0123456789abcdef") != std::string::npos)
      fail(what, "commit '" + data.commit + "'", "hexadecimal digits");
  }
  std::string listing = folder + "/" + data.commit + ".json";
  std::vector<Listed> files;
  if (path_exists(listing)) {
    Value kept = parse_json(read_file(listing), listing);
    for (const Value& entry : kept.as_list()) files.push_back(kept_entry(entry, listing));
  } else {
    files = list_files(what, base + "/tree/" + data.commit + "?recursive=true&expand=false");
    List kept;
    for (const Listed& file : files)
      kept.push_back(Table{{"path", file.path}, {"hash", file.identity}, {"size", file.size}});
    make_folders(folder);
    write_file_atomic(listing, write_json(kept));
    write_file_atomic(pinned, data.commit);
  }
  std::vector<std::string> names;
  std::string root =
      hub_endpoint() + "/datasets/" + path.repository + "/resolve/" + data.commit + "/";
  auto open = [&](const Listed& file) {
    std::string identity = file.identity.empty() ? content_hash(file.path) : file.identity;
    return std::make_shared<HubFile>(root + escaped(file.path, true), hub_token(), file.size,
                                     identity, folder + "/files/" + escaped(identity, false));
  };
  std::string card;
  for (const Listed& file : files) {
    names.push_back(file.path);
    if (file.path == "README.md") {
      if (file.size > kLargestCard)
        fail(what, "a card of " + std::to_string(file.size) + " bytes", "at most 16 MiB");
      auto page = open(file);
      card = page->read(0, page->size_bytes());
    }
  }
  for (const std::string& name : choose_hub_files(names, card, path)) {
    const Listed& file = *std::find_if(files.begin(), files.end(),
                                       [&](const Listed& entry) { return entry.path == name; });
    auto remote = open(file);
    if (is_compressed(name)) {
      data.files.push_back({open_byte_file(remote->whole(name), cache_folder), name});
    } else {
      data.files.push_back({remote, name});
    }
  }
  return data;
}

}  // namespace rmkv
