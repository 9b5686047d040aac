// Plain files, and the choice of the reader.
#include "core/data/byte_file.h"

#include <sys/stat.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "core/base/error.h"
#include "core/base/file.h"
#include "core/data/file_range.h"
#include "core/data/gzip_file.h"
#include "core/data/manifest.h"
#include "core/data/zstd_file.h"

namespace rmkv {

namespace {

// Opened anew for each range: a source may have more files than a process may hold open.
class PlainFile : public ByteFile {
 public:
  explicit PlainFile(const std::string& path) : ByteFile(path) {
    version_ = RangeReader(path).version();
    size_bytes_ = version_.size_bytes;
  }
  size_t read_some(uint64_t begin, char* target, size_t length) const override {
    return RangeReader(path_, version_).read_some(begin, target, length);
  }

 private:
  FileVersion version_;
};

bool ends_with(const std::string& path, std::string_view ending) {
  if (path.size() < ending.size()) return false;
  return std::equal(
      ending.begin(), ending.end(), path.end() - static_cast<int64_t>(ending.size()),
      [](char a, char b) { return a == std::tolower(static_cast<unsigned char>(b)); });
}

}  // namespace

Table ByteFile::describe(const std::string& name) const {
  return describe_file(path_, name);
}

std::string ByteFile::read(uint64_t begin, uint64_t length) const {
  // Checked before memory is taken: lengths come from files.
  if (begin > size_bytes_ || length > size_bytes_ - begin) {
    fail(path_, "the end at byte " + std::to_string(size_bytes_),
         "bytes " + std::to_string(begin) + " to " + std::to_string(begin + length));
  }
  std::string text(length, '\0');
  size_t got = read_some(begin, text.data(), text.size());
  if (got != length) {
    fail(path_, "the end of the file at byte " + std::to_string(begin + got),
         "bytes up to " + std::to_string(begin + length), "the file changed while it was in use");
  }
  return text;
}

ByteFilePtr open_byte_file(const std::string& path, const std::string& cache_folder) {
  if (ends_with(path, ".gz")) return std::make_shared<GzipFile>(path, cache_folder);
  if (ends_with(path, ".zst")) return std::make_shared<ZstdFile>(path, cache_folder);
  return std::make_shared<PlainFile>(path);
}

bool is_compressed(const std::string& path) {
  return ends_with(path, ".gz") || ends_with(path, ".zst");
}

std::string without_compression(const std::string& path) {
  return is_compressed(path) ? path.substr(0, path.rfind('.')) : path;
}

std::string default_cache_folder() {
  auto set = [](const char* name) {
    const char* value = std::getenv(name);
    return value != nullptr && *value != '\0' ? std::string(value) : std::string();
  };
  if (std::string own = set("RMKV_CACHE"); !own.empty()) return own;
  if (std::string xdg = set("XDG_CACHE_HOME"); !xdg.empty()) return xdg + "/rmkv";
  std::string home = set("HOME");
  return home.empty() ? "/tmp/rmkv-cache" : home + "/.cache/rmkv";
}

std::string cache_name(const std::string& path) {
  struct stat facts {};
  if (::stat(path.c_str(), &facts) != 0) fail_because(path, "cannot be read");
  std::string absolute = std::filesystem::absolute(path).lexically_normal().string();
  return content_hash(absolute + '\n' + std::to_string(facts.st_size) + '\n' +
                      std::to_string(facts.st_mtim.tv_sec) + '.' +
                      std::to_string(facts.st_mtim.tv_nsec));
}

}  // namespace rmkv
