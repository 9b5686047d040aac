// Laying out the double array, breadth first so that the upper levels lie together.
#include "tokenizer/byte_trie.h"

#include <algorithm>
#include <deque>

#include "core/base/error.h"

namespace rmkv {
namespace {

using Entries = std::vector<std::pair<std::string_view, int32_t>>;

// The keys [first, last) of the sorted list share their first `depth` bytes: one node.
struct Node {
  size_t first, last, depth;
  size_t slot;  // where its base belongs
};

uint32_t byte_at(std::string_view key, size_t i) {
  return static_cast<unsigned char>(key[i]);
}

// Finds places for sets of children.
class Places {
 public:
  // A base >= 1, used by no other node, at which all `bytes` (ascending) fall on free slots; takes
  // them.
  size_t take(const std::vector<uint32_t>& bytes) {
    grow(std::max(first_free_, end_) + 1024);
    size_t slot = std::max<size_t>(first_free_, bytes[0] + 1);
    // Free slots without limit lie behind end_.
    while (!fits(slot - bytes[0], bytes)) ++slot;
    const size_t base = slot - bytes[0];
    base_used_[base] = 1;
    for (const uint32_t b : bytes) used_[base + b] = 1;
    end_ = std::max(end_, base + bytes.back() + 1);
    // Only the last slots are searched, or crowded ones before them would make this quadratic.
    if (end_ > kWindow) first_free_ = std::max(first_free_, end_ - kWindow);
    while (used_[first_free_] != 0) ++first_free_;
    return base;
  }
  size_t size() const { return end_ + 256; }  // so that any byte may be added to any base

 private:
  static constexpr size_t kWindow = 128;

  bool fits(size_t base, const std::vector<uint32_t>& bytes) const {
    if (base_used_[base] != 0) return false;
    return std::none_of(bytes.begin(), bytes.end(), [&](uint32_t b) { return used_[base + b]; });
  }
  void grow(size_t size) {
    if (size <= used_.size()) return;
    used_.resize(size * 2);
    base_used_.resize(size * 2);
  }

  std::vector<uint8_t> used_, base_used_;
  size_t first_free_ = 1, end_ = 0;
};

}  // namespace

ByteTrie::ByteTrie(Entries entries) : starts_(kStarts, 0), values_(kStarts, -1) {
  std::sort(entries.begin(), entries.end());
  std::fill(std::begin(singles_), std::end(singles_), -1);
  Places places;
  std::deque<Node> open;
  for (const auto& [key, value] : entries) longest_key_ = std::max(longest_key_, key.size());
  for (size_t i = 0; i < entries.size();) {
    const auto& [key, value] = entries[i];
    RMKV_ASSERT(!key.empty() && value >= 0);
    if (key.size() == 1) {
      const uint32_t first = byte_at(key, 0);
      singles_[first] = value;
      for (uint32_t second = 0; second < 256; ++second) {
        starts_[first << 8 | second] = 1u << kBaseBits;
        values_[first << 8 | second] = value;
      }
      ++i;
      continue;
    }
    const size_t start = byte_at(key, 0) << 8 | byte_at(key, 1);
    const std::string_view two = key.substr(0, 2);
    size_t last = i;
    while (last < entries.size() && entries[last].first.substr(0, 2) == two) ++last;
    if (key.size() == 2) {
      starts_[start] = 2u << kBaseBits;
      values_[start] = value;
      ++i;
    }
    if (i < last) open.push_back({i, last, 2, start});
    i = last;
  }
  std::vector<uint32_t> bytes;
  for (; !open.empty(); open.pop_front()) {
    const Node node = open.front();
    bytes.clear();
    for (size_t i = node.first; i < node.last; ++i) {
      const uint32_t byte = byte_at(entries[i].first, node.depth);
      if (bytes.empty() || bytes.back() != byte) bytes.push_back(byte);
    }
    const size_t base = places.take(bytes);
    if (base > kBaseMask) fail("tokenizer", "a vocabulary of more than 4 million nodes", "less");
    if (slots_.size() < places.size()) {
      slots_.resize(places.size(), 0);
      values_.resize(kStarts + places.size(), -1);
    }
    (node.depth == 2 ? starts_[node.slot] : slots_[node.slot]) |= static_cast<uint32_t>(base);
    for (size_t i = node.first; i < node.last;) {
      const auto& [key, value] = entries[i];
      const uint32_t byte = byte_at(key, node.depth);
      const size_t slot = base + byte;
      slots_[slot] = (0x100 | byte) << kByteBits;
      size_t last = i;
      while (last < node.last && byte_at(entries[last].first, node.depth) == byte) ++last;
      if (key.size() == node.depth + 1) {
        slots_[slot] |= 1u << kValueBit;
        values_[kStarts + slot] = value;
        ++i;
      }
      if (i < last) open.push_back({i, last, node.depth + 1, slot});
      i = last;
    }
  }
  if (slots_.empty()) slots_.resize(256, 0);
}

}  // namespace rmkv
