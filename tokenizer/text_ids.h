// A table from texts to ids, made when a vocabulary is read: two flat arrays, so that loading fifty
// thousand entries costs no allocation for each.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace rmkv {

class TextIds {
 public:
  struct Entry {
    std::string_view text;
    int32_t id;
  };

  // `expected`: how many texts there will be, or about so many.
  explicit TextIds(size_t expected = 0);

  // Gives `text`, whose bytes the caller keeps, the id; of two calls with one text the later
  // counts.
  void assign(std::string_view text, int32_t id);
  // The same unless the text has an id.
  void add(std::string_view text, int32_t id);

  // The id of the text, or -1.
  int32_t find(std::string_view text) const {
    const uint32_t at = slot_of(text, hash_of(text));
    return slots_[at].entry == kFree ? -1 : entries_[slots_[at].entry].id;
  }

  // In the order in which texts came first.
  const std::vector<Entry>& entries() const { return entries_; }
  size_t size() const { return entries_.size(); }

 private:
  static constexpr uint32_t kFree = 0xFFFFFFFF;
  struct Slot {
    uint32_t hash = 0, entry = kFree;
  };

  static uint32_t hash_of(std::string_view text);
  // Where the text is, or the free slot where it belongs.
  uint32_t slot_of(std::string_view text, uint32_t hash) const {
    for (uint32_t at = hash & mask_;; at = (at + 1) & mask_) {
      const Slot& slot = slots_[at];
      if (slot.entry == kFree || (slot.hash == hash && entries_[slot.entry].text == text))
        return at;
    }
  }
  Entry& place(std::string_view text);
  void resize(size_t slots);

  std::vector<Slot> slots_;  // open addressing, at most half full
  uint32_t mask_ = 0;
  std::vector<Entry> entries_;
};

}  // namespace rmkv
