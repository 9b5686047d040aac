// Memory of the process from /proc, size of the terminal.
#include "bindings/process.h"

#include <sys/ioctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <fstream>

namespace rmkv::lua {

ProcessMemory process_memory() {
  ProcessMemory memory;
  uint64_t pages = 0;
  std::ifstream("/proc/self/statm") >> pages >> pages;
  memory.resident_bytes = pages * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  rusage usage;
  // ru_maxrss is in kilobytes (getrusage(2)).
  if (getrusage(RUSAGE_SELF, &usage) == 0)
    memory.peak_bytes = static_cast<uint64_t>(usage.ru_maxrss) * 1024;
  return memory;
}

namespace {
winsize terminal_size(int descriptor) {
  winsize size{};
  ioctl(descriptor, TIOCGWINSZ, &size);
  return size;
}
}  // namespace

size_t terminal_width(int descriptor) {
  size_t width = terminal_size(descriptor).ws_col;
  return width >= 20 ? width : 100;
}

size_t terminal_height(int descriptor) {
  size_t height = terminal_size(descriptor).ws_row;
  return height ? height : 25;
}

}  // namespace rmkv::lua
