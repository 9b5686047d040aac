// A hash table from pairs of symbols to their counts, for training.
#pragma once

#include <cstdint>
#include <vector>

namespace rmkv {

class PairCounts {
 public:
  static uint64_t pair(int32_t left, int32_t right) {
    return static_cast<uint64_t>(static_cast<uint32_t>(left)) << 32 | static_cast<uint32_t>(right);
  }
  static int32_t left(uint64_t pair) { return static_cast<int32_t>(pair >> 32); }
  static int32_t right(uint64_t pair) { return static_cast<int32_t>(pair & 0xFFFFFFFF); }

  PairCounts() : slots_(size_t{1} << 12) {}

  // The count of `pair`, 0 at first.  The reference is good until the next call.
  int64_t& operator[](uint64_t pair) {
    if ((size_ + 1) * 2 > slots_.size()) grow();
    Slot& slot = find(pair);
    if (slot.pair == kFree) {
      slot = {pair, 0};
      ++size_;
    }
    return slot.count;
  }

 private:
  static constexpr uint64_t kFree = ~uint64_t{0};
  struct Slot {
    uint64_t pair = kFree;
    int64_t count = 0;
  };

  Slot& find(uint64_t pair) {
    const size_t mask = slots_.size() - 1;
    uint64_t mixed = pair * 0x9E3779B97F4A7C15u;  // 2^64 / golden ratio
    size_t i = (mixed ^ mixed >> 32) & mask;
    while (slots_[i].pair != pair && slots_[i].pair != kFree) i = (i + 1) & mask;
    return slots_[i];
  }
  void grow() {
    std::vector<Slot> old(slots_.size() * 2);
    old.swap(slots_);
    for (const Slot& slot : old) {
      if (slot.pair != kFree) find(slot.pair) = slot;
    }
  }

  std::vector<Slot> slots_;  // open addressing, at most half full
  size_t size_ = 0;
};

}  // namespace rmkv
