// Files: read whole, written atomically, hashed.  Every error names the path and the system's
// reason.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace rmkv {

// The whole file as bytes.  Throws when it is missing, no regular file, or larger than
// `limit_bytes`.
std::string read_file(const std::string& path, uint64_t limit_bytes = uint64_t{1} << 40);

// A file written in pieces beside its target; only `commit` syncs it and renames it onto the
// target, so a reader sees the old file or the new one, never a part.  Without `commit` the
// destructor removes what was written.
class AtomicFile {
 public:
  explicit AtomicFile(const std::string& path);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;
  void write(std::string_view piece);
  // Returns the content hash (see content_hash).
  std::string commit();

 private:
  std::string path_;
  std::string beside_;  // the name it is written under
  int handle_ = -1;
  void* hash_ = nullptr;  // XXH3 state
};

// The same for a whole content.
void write_file_atomic(const std::string& path, std::string_view content);

// Appends whole lines; opened once, flushed to the system at each call.
void append_file(const std::string& path, std::string_view content);

// Syncs a file or folder to the disk.
void sync_path(const std::string& path);

// Creates the folder and its parents.
void make_folders(const std::string& path);

// Entry names (not "." and ".."), sorted.
std::vector<std::string> list_folder(const std::string& path);

bool path_exists(const std::string& path);
bool is_folder(const std::string& path);
uint64_t file_size_bytes(const std::string& path);

// XXH3-128 of a content as 32 hexadecimal digits (not cryptographic: it guards against damage, not
// malice).
std::string content_hash(std::string_view content);
// The same over a file, read in pieces.
std::string file_hash(const std::string& path);

// A read-only memory-mapped file.  Movable, not copyable; the bytes live as long as it does.
class MappedFile {
 public:
  explicit MappedFile(const std::string& path);
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  ~MappedFile();
  std::string_view bytes() const { return {data_, size_bytes_}; }

 private:
  char* data_ = nullptr;
  size_t size_bytes_ = 0;
};

}  // namespace rmkv
