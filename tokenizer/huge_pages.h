// A hint to the system about large buffers: pages of 2 MiB, where there are any.
//
// A first touch of every 4 KiB costs as much as encoding the text that fills them.  Only a hint:
// nothing else changes.
#pragma once

#include <cstddef>
#include <cstdlib>

namespace rmkv {

constexpr size_t kHugePageBytes = size_t{2} << 20;

// Call before the memory is touched first; small buffers are left alone.
void ask_for_huge_pages(void* memory, size_t bytes);

// Memory of `bytes`, a multiple of 64 or of kHugePageBytes, aligned to that and asked for so; to be
// given to std::free.
void* allocate_pages(size_t bytes);

struct FreePages {
  void operator()(void* memory) const { std::free(memory); }
};

}  // namespace rmkv
