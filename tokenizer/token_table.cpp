// Storage of token bytes and the copying loop of decoding.
#include "tokenizer/token_table.h"

#include <cstring>
#include <limits>

#include "core/base/error.h"
#include "tokenizer/huge_pages.h"

namespace rmkv {
namespace {

// Most tokens are no longer.
constexpr size_t kCopyBytes = 16;

}  // namespace

void TokenTable::add(std::string_view bytes, bool special) {
  if (bytes_.size() + bytes.size() > std::numeric_limits<uint32_t>::max() - kCopyBytes) {
    fail("tokenizer", "tokens of 4 GiB together", "less");
  }
  bytes_ += bytes;
  offsets_.push_back(static_cast<uint32_t>(bytes_.size()));
  special_.push_back(special ? 1 : 0);
}

void TokenTable::finish() {
  bytes_.append(kCopyBytes, '\0');
}

std::string_view TokenTable::at(int32_t id) const {
  if (id < 0 || id >= size()) {
    fail("tokenizer.token_bytes", "id " + std::to_string(id),
         "an id from 0 to " + std::to_string(size() - 1));
  }
  return std::string_view(bytes_).substr(offsets_[id], offsets_[id + 1] - offsets_[id]);
}

void TokenTable::decode(std::span<const int32_t> ids, bool skip_special, std::string& text) const {
  size_t total = 0;
  for (const int32_t id : ids) {
    if (static_cast<uint32_t>(id) >= static_cast<uint32_t>(size())) at(id);
    total += offsets_[id + 1] - offsets_[id];
  }
  const size_t before = text.size();
  text.reserve(before + total + kCopyBytes);
  ask_for_huge_pages(text.data() + before, total);
  text.resize(before + total + kCopyBytes);
  char* out = text.data() + before;
  for (const int32_t id : ids) {
    if (skip_special && special_[id] != 0) continue;
    const char* const from = bytes_.data() + offsets_[id];
    const size_t size = offsets_[id + 1] - offsets_[id];
    // A fixed number of bytes is copied faster than the right number; the next token overwrites the
    // rest.
    std::memcpy(out, from, kCopyBytes);
    if (size > kCopyBytes) std::memcpy(out, from, size);
    out += size;
  }
  text.resize(static_cast<size_t>(out - text.data()));
}

}  // namespace rmkv
