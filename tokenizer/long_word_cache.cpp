// Hashing, growth, and starting over when it is full: rare enough to need nothing finer.
#include "tokenizer/long_word_cache.h"

#include <algorithm>
#include <cstring>

namespace rmkv {

uint64_t LongWordCache::hash_of(std::string_view word) {
  // Multiply and fold, as in wyhash.
  const auto mixed = [](uint64_t a, uint64_t b) {
    const auto product =
        static_cast<unsigned __int128>(a ^ 0x9E3779B97F4A7C15u) * (b ^ 0xD6E8FEB86659FD93u);
    return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
  };
  uint64_t hash = word.size(), last = 0;
  for (; word.size() > 8; word.remove_prefix(8)) {
    uint64_t next;
    std::memcpy(&next, word.data(), 8);
    hash = mixed(hash, next);
  }
  std::memcpy(&last, word.data(), word.size());
  return mixed(hash, last);
}

size_t LongWordCache::slot_of(std::string_view word, uint64_t hash) const {
  const size_t mask = slots_.size() - 1;
  for (size_t at = (hash >> 32) & mask;; at = (at + 1) & mask) {
    const Slot& slot = slots_[at];
    if (slot.text_size == 0) return at;
    if (slot.hash == hash && slot.text_size == word.size() &&
        std::memcmp(texts_.data() + slot.text_begin, word.data(), word.size()) == 0) {
      return at;
    }
  }
}

std::optional<std::span<const int32_t>> LongWordCache::find(std::string_view word,
                                                            uint64_t hash) const {
  if (slots_.empty()) return std::nullopt;
  const Slot& slot = slots_[slot_of(word, hash)];
  if (slot.text_size == 0) return std::nullopt;
  return std::span(ids_).subspan(slot.ids_begin, slot.ids_size);
}

void LongWordCache::insert(std::string_view word, uint64_t hash, std::span<const int32_t> ids) {
  if (count_ * 2 >= kMaxSlots || texts_.size() + word.size() > kMaxTextBytes ||
      ids_.size() + ids.size() > kMaxIds) {
    std::fill(slots_.begin(), slots_.end(), Slot());
    count_ = 0;
    texts_.clear();
    ids_.clear();
  }
  if (count_ * 2 >= slots_.size()) grow();
  // Memory that is not touched costs nothing, moving it does.
  texts_.reserve(kMaxTextBytes);
  ids_.reserve(kMaxIds);
  slots_[slot_of(word, hash)] = {
      hash, static_cast<uint32_t>(texts_.size()), static_cast<uint32_t>(word.size()),
      static_cast<uint32_t>(ids_.size()), static_cast<uint32_t>(ids.size())};
  ++count_;
  texts_ += word;
  ids_.insert(ids_.end(), ids.begin(), ids.end());
}

void LongWordCache::grow() {
  std::vector<Slot> old(std::max(kMinSlots, slots_.size() * 2));
  old.swap(slots_);
  const size_t mask = slots_.size() - 1;
  for (const Slot& slot : old) {
    if (slot.text_size == 0) continue;
    size_t at = (slot.hash >> 32) & mask;
    while (slots_[at].text_size != 0) at = (at + 1) & mask;
    slots_[at] = slot;
  }
}

}  // namespace rmkv
