// Facts about this process and its terminal.
#pragma once

#include <cstddef>
#include <cstdint>

namespace rmkv::lua {

struct ProcessMemory {
  uint64_t resident_bytes = 0;
  uint64_t peak_bytes = 0;
};
ProcessMemory process_memory();

// Columns of the terminal behind a descriptor; 100 where there is none.
size_t terminal_width(int descriptor);
size_t terminal_height(int descriptor);

}  // namespace rmkv::lua
