// Files for parsers that take a path, in memory where the system has /dev/shm; and files of the
// data readers that are memory alone.
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <string>
#include <string_view>

#include "core/base/error.h"

namespace rmkv::fuzz {

// A folder of this process; what the last input left in it is overwritten by the next.
class Scratch {
 public:
  Scratch() {
    const std::filesystem::path shared = "/dev/shm";
    const std::filesystem::path base =
        ::access("/dev/shm", W_OK) == 0 ? shared : std::filesystem::temp_directory_path();
    path_ = base / ("rmkv-fuzz-" + std::to_string(::getpid()));
    clear();
  }
  ~Scratch() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  std::string path(const std::string& name = "") const { return (path_ / name).string(); }
  void clear() const {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
    std::filesystem::create_directories(path_);
  }
  // Written without sync or rename: thousands of times a second.
  std::string write(const std::string& name, std::string_view content) const {
    const std::string target = path(name);
    const int file = ::open(target.c_str(), O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
    const bool whole = file >= 0 && ::write(file, content.data(), content.size()) ==
                                        static_cast<ssize_t>(content.size());
    if (file >= 0) ::close(file);
    if (!whole) __builtin_trap();
    return target;
  }

 private:
  std::filesystem::path path_;
};

}  // namespace rmkv::fuzz
