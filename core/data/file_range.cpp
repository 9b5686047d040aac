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
    : path_(path), handle_(::open(path.c_str(), O_RDONLY | O_CLOEXEC)), size_bytes_(0) {
  if (handle_ < 0) fail_because(path, std::string("cannot open: ") + std::strerror(errno));
  struct stat facts {};
  if (::fstat(handle_, &facts) != 0 || !S_ISREG(facts.st_mode)) {
    ::close(handle_);
    fail(path, "a folder or device", "a regular file");
  }
  size_bytes_ = static_cast<uint64_t>(facts.st_size);
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
  if (begin > size_bytes_ || length > size_bytes_ - begin) {
    fail(path_, "the end of the file at byte " + std::to_string(size_bytes_),
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
