// The hint of Linux; nothing elsewhere.
#include "tokenizer/huge_pages.h"

#include <cstdint>
#include <new>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace rmkv {

void ask_for_huge_pages(void* memory, size_t bytes) {
#if defined(MADV_HUGEPAGE)
  const auto begin = reinterpret_cast<uintptr_t>(memory);
  const uintptr_t first = (begin + kHugePageBytes - 1) & ~(kHugePageBytes - 1);
  const uintptr_t last = (begin + bytes) & ~(kHugePageBytes - 1);
  // NOLINTNEXTLINE(performance-no-int-to-ptr): an address rounded up to a page
  if (first < last) madvise(reinterpret_cast<void*>(first), last - first, MADV_HUGEPAGE);
#else
  (void)memory;
  (void)bytes;
#endif
}

void* allocate_pages(size_t bytes) {
  constexpr size_t kCacheLineBytes = 64;
  void* const memory =
      std::aligned_alloc(bytes < kHugePageBytes ? kCacheLineBytes : kHugePageBytes, bytes);
  if (memory == nullptr) throw std::bad_alloc();
  ask_for_huge_pages(memory, bytes);
  return memory;
}

}  // namespace rmkv
