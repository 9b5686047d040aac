// pread with errors that name the file.
#include "core/data/file_range.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "core/base/error.h"

namespace rmkv {

RangeReader::RangeReader(const std::string& path)
    : path_(path), handle_(::open(path.c_str(), O_RDONLY | O_CLOEXEC)) {
  if (handle_ < 0) fail_because(path, std::string("cannot open: ") + std::strerror(errno));
  struct stat facts {};
  if (::fstat(handle_, &facts) != 0 || !S_ISREG(facts.st_mode)) {
    ::close(handle_);
    fail(path, "a folder or device", "a regular file");
  }
  version_.size_bytes = static_cast<uint64_t>(facts.st_size);
  version_.modified_ns = int64_t{1'000'000'000} * facts.st_mtim.tv_sec + facts.st_mtim.tv_nsec;
}

RangeReader::RangeReader(const std::string& path, const FileVersion& seen) : RangeReader(path) {
  if (version_ == seen) return;
  const uint64_t size = version_.size_bytes;
  fail(path,
       size == seen.size_bytes ? std::string("a file that was written to while it was in use")
                               : std::to_string(size) + " bytes, " +
                                     std::to_string(seen.size_bytes) + " when it was opened",
       "data that stays as it is", "bring the old file back, or start a new run");
}

RangeReader::~RangeReader() {
  ::close(handle_);
}

size_t RangeReader::read_some(uint64_t begin, char* target, size_t length) const {
  size_t done = 0;
  while (done < length) {
    ssize_t got = ::pread(handle_, target + done, length - done, static_cast<off_t>(begin + done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) fail_because(path_, std::string("cannot read: ") + std::strerror(errno));
    if (got == 0) break;
    done += static_cast<size_t>(got);
  }
  return done;
}

std::string RangeReader::read(uint64_t begin, uint64_t length) const {
  // Checked before memory is taken: lengths come from files.
  if (begin > size_bytes() || length > size_bytes() - begin) {
    fail(path_, "the end of the file at byte " + std::to_string(size_bytes()),
         "bytes up to " + std::to_string(begin + length), "the file changed while it was in use");
  }
  std::string text(length, '\0');
  size_t got = read_some(begin, text.data(), text.size());
  if (got != length) {
    fail(path_, "the end of the file at byte " + std::to_string(begin + got),
         "bytes up to " + std::to_string(begin + length), "the file changed while it was in use");
  }
  return text;
}

}  // namespace rmkv
