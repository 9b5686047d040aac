// Files over the POSIX calls: every failure names the path and the system's reason.
#include "core/base/file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>

#include "core/base/error.h"

namespace rmkv {

namespace {

[[noreturn]] void fail_system(const std::string& path, const std::string& action) {
  int code = errno;
  std::string hint;
  if (code == ENOSPC || code == EDQUOT) hint = "free some space on that disk; nothing was changed";
  fail_because(path, action + ": " + std::strerror(code), hint);
}

// An open file that is closed on every path out.
class Descriptor {
 public:
  Descriptor(const std::string& path, int flags, mode_t mode, const char* action)
      : handle_(::open(path.c_str(), flags | O_CLOEXEC, mode)) {
    if (handle_ < 0) fail_system(path, action);
  }
  ~Descriptor() {
    if (handle_ >= 0) ::close(handle_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return handle_; }
  // Closing reports what the system kept back until now (a full quota on a network disk).
  void close(const std::string& path) {
    if (::close(std::exchange(handle_, -1)) != 0) fail_system(path, "cannot close");
  }

 private:
  int handle_;
};

void write_all(int handle, std::string_view content, const std::string& path) {
  while (!content.empty()) {
    ssize_t written = ::write(handle, content.data(), content.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail_system(path, "cannot write");
    content.remove_prefix(static_cast<size_t>(written));
  }
}

// The number of bytes read; less than `size` only at the end of the file.
size_t read_some(int handle, char* target, size_t size, const std::string& path) {
  size_t done = 0;
  while (done < size) {
    ssize_t got = ::read(handle, target + done, size - done);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) fail_system(path, "cannot read");
    if (got == 0) break;
    done += static_cast<size_t>(got);
  }
  return done;
}

uint64_t regular_size(int handle, const std::string& path) {
  struct stat facts {};
  if (::fstat(handle, &facts) != 0) fail_system(path, "cannot examine");
  if (!S_ISREG(facts.st_mode)) fail(path, "a folder or device", "a regular file");
  return static_cast<uint64_t>(facts.st_size);
}

std::string hexadecimal(XXH128_hash_t hash) {
  XXH128_canonical_t bytes;
  XXH128_canonicalFromHash(&bytes, hash);
  std::string text;
  for (unsigned char byte : bytes.digest) {
    text += "0123456789abcdef"[byte >> 4];
    text += "0123456789abcdef"[byte & 15];
  }
  return text;
}

std::string parent_of(const std::string& path) {
  std::string parent = std::filesystem::path(path).parent_path().string();
  return parent.empty() ? "." : parent;
}

}  // namespace

std::string read_file(const std::string& path, uint64_t limit_bytes) {
  Descriptor file(path, O_RDONLY, 0, "cannot open");
  uint64_t size = regular_size(file.get(), path);
  if (size > limit_bytes) {
    fail(path, std::to_string(size) + " bytes", "at most " + std::to_string(limit_bytes));
  }
  std::string content(size, '\0');
  content.resize(read_some(file.get(), content.data(), size, path));
  return content;
}

AtomicFile::AtomicFile(const std::string& path)
    : path_(path), beside_(path + ".part" + std::to_string(::getpid())) {
  handle_ = ::open(beside_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (handle_ < 0) fail_system(beside_, "cannot create");
  hash_ = XXH3_createState();
  RMKV_ASSERT(hash_ != nullptr);
  XXH3_128bits_reset(static_cast<XXH3_state_t*>(hash_));
}

AtomicFile::~AtomicFile() {
  XXH3_freeState(static_cast<XXH3_state_t*>(hash_));
  if (handle_ >= 0) ::close(handle_);
  if (!beside_.empty()) ::unlink(beside_.c_str());
}

void AtomicFile::write(std::string_view piece) {
  write_all(handle_, piece, beside_);
  XXH3_128bits_update(static_cast<XXH3_state_t*>(hash_), piece.data(), piece.size());
}

std::string AtomicFile::commit() {
  if (::fsync(handle_) != 0) fail_system(beside_, "cannot sync");
  // Closing reports what the system kept back until now (a full quota on a network disk).
  if (::close(std::exchange(handle_, -1)) != 0) fail_system(beside_, "cannot close");
  if (::rename(beside_.c_str(), path_.c_str()) != 0) fail_system(path_, "cannot rename onto");
  beside_.clear();
  // The rename itself survives a power cut only once the folder is on the disk.
  sync_path(parent_of(path_));
  return hexadecimal(XXH3_128bits_digest(static_cast<XXH3_state_t*>(hash_)));
}

void write_file_atomic(const std::string& path, std::string_view content) {
  AtomicFile file(path);
  file.write(content);
  file.commit();
}

void append_file(const std::string& path, std::string_view content) {
  Descriptor file(path, O_WRONLY | O_CREAT | O_APPEND, 0644, "cannot open for appending");
  write_all(file.get(), content, path);
  file.close(path);
}

void sync_path(const std::string& path) {
  Descriptor file(path, O_RDONLY, 0, "cannot open");
  // Some file systems cannot sync folders and say EINVAL: there is nothing to wait for then.
  if (::fsync(file.get()) != 0 && errno != EINVAL) fail_system(path, "cannot sync");
}

void make_folders(const std::string& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error) fail_because(path, "cannot create the folder: " + error.message());
  if (!is_folder(path)) fail(path, "a file", "a folder");
}

std::vector<std::string> list_folder(const std::string& path) {
  std::error_code error;
  std::filesystem::directory_iterator entries(path, error);
  if (error) fail_because(path, "cannot list the folder: " + error.message());
  std::vector<std::string> names;
  for (; entries != std::filesystem::directory_iterator(); entries.increment(error)) {
    if (error) fail_because(path, "cannot list the folder: " + error.message());
    names.push_back(entries->path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

bool path_exists(const std::string& path) {
  struct stat facts {};
  return ::stat(path.c_str(), &facts) == 0;
}

bool is_folder(const std::string& path) {
  struct stat facts {};
  return ::stat(path.c_str(), &facts) == 0 && S_ISDIR(facts.st_mode);
}

uint64_t file_size_bytes(const std::string& path) {
  struct stat facts {};
  if (::stat(path.c_str(), &facts) != 0) fail_system(path, "cannot examine");
  return static_cast<uint64_t>(facts.st_size);
}

std::string content_hash(std::string_view content) {
  return hexadecimal(XXH3_128bits(content.data(), content.size()));
}

std::string file_hash(const std::string& path) {
  Descriptor file(path, O_RDONLY, 0, "cannot open");
  regular_size(file.get(), path);
  XXH3_state_t* state = XXH3_createState();
  RMKV_ASSERT(state != nullptr);
  XXH3_128bits_reset(state);
  std::string piece(size_t{1} << 20, '\0');
  try {
    while (size_t got = read_some(file.get(), piece.data(), piece.size(), path)) {
      XXH3_128bits_update(state, piece.data(), got);
    }
  } catch (...) {
    XXH3_freeState(state);
    throw;
  }
  XXH128_hash_t hash = XXH3_128bits_digest(state);
  XXH3_freeState(state);
  return hexadecimal(hash);
}

MappedFile::MappedFile(const std::string& path) {
  Descriptor file(path, O_RDONLY, 0, "cannot open");
  size_bytes_ = regular_size(file.get(), path);
  if (size_bytes_ == 0) return;  // the system refuses to map nothing
  void* place = ::mmap(nullptr, size_bytes_, PROT_READ, MAP_PRIVATE, file.get(), 0);
  if (place == MAP_FAILED) fail_system(path, "cannot map");
  data_ = static_cast<char*>(place);
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)),
      size_bytes_(std::exchange(other.size_bytes_, 0)) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_bytes_, other.size_bytes_);
  return *this;
}

MappedFile::~MappedFile() {
  if (data_) ::munmap(data_, size_bytes_);
}

}  // namespace rmkv
