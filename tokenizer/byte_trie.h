// A set of byte strings with values, for longest-prefix search: a double-array trie (Aoe 1989).
//
// The first two bytes are looked up directly; every further byte costs one load.  Read-only once
// made; 116,000 nodes (the World vocabulary) take 1.5 MB.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

namespace rmkv {

class ByteTrie {
 public:
  struct Match {
    int32_t value;        // -1 when nothing matches
    uint32_t size_bytes;  // 0 when nothing matches
  };

  // Keys are not empty and differ from each other; values are 0 or more.
  explicit ByteTrie(std::vector<std::pair<std::string_view, int32_t>> entries);

  // The longest key that [p, end), which is not empty, begins with.
  Match longest_prefix(const char* p, const char* end) const {
    if (end - p < 2) {
      const int32_t only = singles_[byte(p)];
      return {only, only >= 0 ? 1u : 0u};
    }
    uint32_t best = pair(p);
    uint32_t node = starts_[best];
    uint32_t size = node >> kBaseBits;
    for (const char* q = p + 2; (node & kBaseMask) != 0 && q < end; ++q) {
      const uint32_t slot = (node & kBaseMask) + byte(q);
      node = slots_[slot];
      if (!is_child(node, byte(q))) break;
      const bool ends_key = (node >> kValueBit & 1) != 0;
      size = ends_key ? static_cast<uint32_t>(q + 1 - p) : size;
      best = ends_key ? kStarts + slot : best;
    }
    return {values_[best], size};
  }

  // A search for one longest key behind the other.  Several cursors moved in turns hide each
  // other's loads: a step has no branch.
  struct Cursor {
    const char* next;  // the byte to look at
    const char* end;   // of the longest key so far
    uint32_t best;     // where its value stands
    uint32_t base;     // of the children of the present node
  };

  // Two bytes are read at `p`.
  Cursor cursor(const char* p) const {
    const uint32_t start = starts_[pair(p)];
    return {p + 2, p + (start >> kBaseBits), pair(p), start & kBaseMask};
  }

  // Looks at one byte.  Every byte is a key.  Returns 1 when a key ends, which is then
  // `value_at(*found)` and followed by the next at cursor.next - 2; `*found` is written in any
  // case.  Reads up to two bytes behind the longest key.
  uint32_t step(Cursor& cursor, uint32_t* found) const {
    const uint32_t slot = cursor.base + byte(cursor.next);
    const uint32_t node = slots_[slot];
    const uint32_t next_pair = pair(cursor.end);
    const uint32_t start = starts_[next_pair];
    *found = cursor.best;
    // All ones where the condition holds: compilers make branches of anything else, and every key
    // would mispredict one.
    const uint32_t ends = node >> kByteBits != (byte(cursor.next) | 0x100) ? 1 : 0;
    const uint32_t stops = 0 - ends;
    const uint32_t longer = 0 - (node >> kValueBit & 1);
    const auto select = [](auto mask, auto yes, auto no) { return no ^ ((yes ^ no) & mask); };
    const auto wide = [](uint32_t mask) {
      return static_cast<uint64_t>(static_cast<int32_t>(mask));
    };
    const uint64_t next = address(cursor.next) + 1, end = address(cursor.end);
    const uint64_t longer_end = select(wide(longer), next, end);
    cursor.end = pointer(select(wide(stops), end + (start >> kBaseBits), longer_end));
    cursor.next = pointer(select(wide(stops), end + 2, next));
    cursor.best = select(stops, next_pair, select(longer, slot + kStarts, cursor.best));
    cursor.base = select(stops, start, node) & kBaseMask;
    return ends;
  }

  int32_t value_at(uint32_t found) const { return values_[found]; }
  size_t longest_key() const { return longest_key_; }

  // Calls visit(value, size_bytes) for every key that [p, end), which is not empty, begins with,
  // shortest first.
  template <typename Visit>
  void for_each_prefix(const char* p, const char* end, Visit visit) const {
    if (singles_[byte(p)] >= 0) visit(singles_[byte(p)], 1u);
    if (end - p < 2) return;
    uint32_t node = starts_[pair(p)];
    if ((node >> kBaseBits) == 2) visit(values_[pair(p)], 2u);
    for (const char* q = p + 2; (node & kBaseMask) != 0 && q < end; ++q) {
      const uint32_t slot = (node & kBaseMask) + byte(q);
      node = slots_[slot];
      if (!is_child(node, byte(q))) break;
      if ((node >> kValueBit & 1) != 0)
        visit(values_[kStarts + slot], static_cast<uint32_t>(q + 1 - p));
    }
  }

 private:
  // A slot: in use (1 bit), its byte (8), ends a key (1), base of its children (22; 0 for none). No
  // two nodes have the same base, so a child is known by its byte alone.  A start: size of the
  // longest key within two bytes (2 bits), base (22).  Values lie apart: they are looked at once
  // for each key that is found.
  static constexpr int kBaseBits = 22, kValueBit = 22, kByteBits = 23;
  static constexpr uint32_t kBaseMask = (1u << kBaseBits) - 1;
  static constexpr uint32_t kStarts = 65536;

  static uint32_t byte(const char* p) { return static_cast<unsigned char>(*p); }
  static uint32_t pair(const char* p) { return byte(p) << 8 | byte(p + 1); }
  static bool is_child(uint32_t node, uint32_t byte) { return node >> kByteBits == (byte | 0x100); }
  static uint64_t address(const char* p) { return reinterpret_cast<uintptr_t>(p); }
  static const char* pointer(uint64_t address) {
    return reinterpret_cast<const char*>(static_cast<uintptr_t>(address));
  }

  std::vector<uint32_t> slots_;
  std::vector<uint32_t> starts_;  // [kStarts], by the first two bytes
  std::vector<int32_t> values_;   // of the starts, then of the slots; -1 for none
  size_t longest_key_ = 0;        // bytes
  int32_t singles_[256];          // values of the one-byte keys, -1 for none
};

}  // namespace rmkv
