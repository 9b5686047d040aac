// Hashing and growth.
#include "tokenizer/text_ids.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace rmkv {
namespace {

constexpr size_t kMinSlots = 16;

// Multiply and fold, as in wyhash.
uint64_t mixed(uint64_t a, uint64_t b) {
  const auto product =
      static_cast<unsigned __int128>(a ^ 0x9E3779B97F4A7C15u) * (b ^ 0xD6E8FEB86659FD93u);
  return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
}

}  // namespace

TextIds::TextIds(size_t expected) {
  resize(std::bit_ceil(std::max(kMinSlots, expected * 2 + 2)));
  entries_.reserve(expected);
}

uint32_t TextIds::hash_of(std::string_view text) {
  uint64_t hash = text.size();
  while (text.size() > 8) {
    uint64_t word;
    std::memcpy(&word, text.data(), 8);
    hash = mixed(hash, word);
    text.remove_prefix(8);
  }
  uint64_t word = 0;
  std::memcpy(&word, text.data(), text.size());
  return static_cast<uint32_t>(mixed(hash, word));
}

void TextIds::resize(size_t slots) {
  slots_.assign(slots, {});
  mask_ = static_cast<uint32_t>(slots - 1);
  for (uint32_t entry = 0; entry < entries_.size(); ++entry) {
    const uint32_t hash = hash_of(entries_[entry].text);
    slots_[slot_of(entries_[entry].text, hash)] = {hash, entry};
  }
}

TextIds::Entry& TextIds::place(std::string_view text) {
  if ((entries_.size() + 1) * 2 > slots_.size()) resize(slots_.size() * 2);
  const uint32_t hash = hash_of(text);
  Slot& slot = slots_[slot_of(text, hash)];
  if (slot.entry == kFree) {
    slot = {hash, static_cast<uint32_t>(entries_.size())};
    entries_.push_back({text, -1});
  }
  return entries_[slot.entry];
}

void TextIds::assign(std::string_view text, int32_t id) {
  place(text).id = id;
}

void TextIds::add(std::string_view text, int32_t id) {
  Entry& entry = place(text);
  if (entry.id < 0) entry.id = id;
}

}  // namespace rmkv
