// Linear probing over a few slots.  Two threads may enter one word twice; both entries are right.
#include "tokenizer/shared_words.h"

#include <algorithm>
#include <memory>

namespace rmkv {

SharedWords::SharedWords() {
  slots_.reset(static_cast<Slot*>(allocate_pages(kSlots * sizeof(Slot))));
  std::uninitialized_default_construct_n(slots_.get(), kSlots);
}

uint32_t SharedWords::find(const WordKey& key, uint64_t hash, int32_t* ids) const {
  for (size_t i = 0; i < kProbes; ++i) {
    const Slot& slot = slots_[((hash >> (64 - kBits)) + i) % kSlots];
    const uint32_t state = slot.state.load(std::memory_order_acquire);
    if (state == kFree) return 0;
    if (state == kTaken || !(slot.key == key)) continue;
    std::copy_n(slot.ids, kMaxIds, ids);
    return state;
  }
  return 0;
}

void SharedWords::insert(const WordKey& key, uint64_t hash, std::span<const int32_t> ids) {
  if (ids.empty() || ids.size() > kMaxIds) return;
  for (size_t i = 0; i < kProbes; ++i) {
    Slot& slot = slots_[((hash >> (64 - kBits)) + i) % kSlots];
    uint32_t expected = kFree;
    if (!slot.state.compare_exchange_strong(expected, kTaken, std::memory_order_relaxed)) continue;
    slot.key = key;
    std::copy(ids.begin(), ids.end(), slot.ids);
    slot.state.store(static_cast<uint32_t>(ids.size()), std::memory_order_release);
    return;
  }
}

}  // namespace rmkv
