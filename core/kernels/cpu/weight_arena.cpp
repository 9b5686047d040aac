// See weight_arena.h.
#include "core/kernels/cpu/weight_arena.h"

#include <sys/mman.h>

#include <algorithm>
#include <string>

#include "core/base/error.h"

namespace rmkv::kernels::cpu {
namespace {

constexpr int64_t kHugePage = int64_t{2} << 20;
constexpr int64_t kBlockBytes = int64_t{32} << 20;
constexpr int64_t kAlignment = 64;

int64_t round_up(int64_t n, int64_t unit) {
  return (n + unit - 1) / unit * unit;
}

}  // namespace

WeightArena::~WeightArena() {
  for (const Block& block : blocks_) munmap(block.mapping, static_cast<size_t>(block.mapped));
}

uint8_t* WeightArena::allocate(int64_t bytes) {
  bytes = round_up(std::max<int64_t>(bytes, 1), kAlignment);
  if (blocks_.empty() || blocks_.back().used + bytes > blocks_.back().size) {
    Block block{};
    block.size = std::max(kBlockBytes, round_up(bytes, kHugePage));
    block.mapped = block.size + kHugePage;  // room to align
    block.mapping = mmap(nullptr, static_cast<size_t>(block.mapped), PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (block.mapping == MAP_FAILED) {
      fail("packed weights", "no memory for " + std::to_string(block.size) + " bytes",
           "enough free memory for the model");
    }
    const auto address = reinterpret_cast<uintptr_t>(block.mapping);
    const auto aligned = (address + kHugePage - 1) / kHugePage * kHugePage;
    block.begin = static_cast<uint8_t*>(block.mapping) + (aligned - address);
#ifdef MADV_HUGEPAGE
    madvise(block.begin, static_cast<size_t>(block.size), MADV_HUGEPAGE);  // a wish, not a need
#endif
    blocks_.push_back(block);
  }
  Block& block = blocks_.back();
  uint8_t* piece = block.begin + block.used;
  block.used += bytes;
  return piece;
}

int64_t WeightArena::reserved_bytes() const {
  int64_t bytes = 0;
  for (const Block& block : blocks_) bytes += block.size;
  return bytes;
}

}  // namespace rmkv::kernels::cpu
