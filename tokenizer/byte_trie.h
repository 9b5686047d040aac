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
    const auto byte = [](char c) { return static_cast<uint32_t>(static_cast<unsigned char>(c)); };
    if (end - p < 2) {
      const uint64_t only = singles_[byte(*p)];
      return {static_cast<int32_t>(only >> 32) - 1, only != 0 ? 1u : 0u};
    }
    const uint64_t start = starts_[byte(p[0]) << 8 | byte(p[1])];
    uint64_t best = start >> 32;
    uint32_t size = static_cast<uint32_t>(start >> kBaseBits) & 3;
    uint32_t base = static_cast<uint32_t>(start) & kBaseMask;
    for (const char* q = p + 2; base != 0 && q < end; ++q) {
      const uint64_t slot = slots_[base + byte(*q)];
      if ((slot >> kBaseBits & 0x1FF) != (byte(*q) | 0x100)) break;
      const uint64_t value = slot >> 32;
      size = value != 0 ? static_cast<uint32_t>(q + 1 - p) : size;
      best = value != 0 ? value : best;
      base = static_cast<uint32_t>(slot) & kBaseMask;
    }
    return {static_cast<int32_t>(best) - 1, size};
  }

  // Calls visit(value, size_bytes) for every key that [p, end), which is not empty, begins with,
  // shortest first.
  template <typename Visit>
  void for_each_prefix(const char* p, const char* end, Visit visit) const {
    const auto byte = [](char c) { return static_cast<uint32_t>(static_cast<unsigned char>(c)); };
    const uint64_t single = singles_[byte(*p)];
    if (single != 0) visit(static_cast<int32_t>(single >> 32) - 1, 1u);
    if (end - p < 2) return;
    const uint64_t start = starts_[byte(p[0]) << 8 | byte(p[1])];
    if ((start >> kBaseBits & 3) == 2) visit(static_cast<int32_t>(start >> 32) - 1, 2u);
    uint32_t base = static_cast<uint32_t>(start) & kBaseMask;
    for (const char* q = p + 2; base != 0 && q < end; ++q) {
      const uint64_t slot = slots_[base + byte(*q)];
      if ((slot >> kBaseBits & 0x1FF) != (byte(*q) | 0x100)) break;
      if (slot >> 32 != 0) {
        visit(static_cast<int32_t>(slot >> 32) - 1, static_cast<uint32_t>(q + 1 - p));
      }
      base = static_cast<uint32_t>(slot) & kBaseMask;
    }
  }

 private:
  // A slot: value + 1 (32 bits; 0 for none), in use (1 bit), its byte (8), base of its children
  // (23; 0 for none).  No two nodes have the same base, so a child is known by its byte alone.
  // A start: value + 1 of the longest key within two bytes, its size (2 bits), base (23).
  static constexpr int kBaseBits = 23;
  static constexpr uint32_t kBaseMask = (1u << kBaseBits) - 1;

  std::vector<uint64_t> slots_;
  std::vector<uint64_t> starts_;  // [65536], by the first two bytes
  uint64_t singles_[256];         // value + 1 << 32 of the one-byte keys
};

}  // namespace rmkv
