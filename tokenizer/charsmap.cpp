// Walking the trie.  Every place comes from a file and is checked before it is read.
#include "tokenizer/charsmap.h"

#include <cstring>

#include "core/base/error.h"
#include "tokenizer/base64.h"
#include "tokenizer/grapheme.h"
#include "tokenizer/unicode.h"

namespace rmkv {
namespace {

constexpr size_t kUnitBytes = sizeof(uint32_t);
// Longer clusters are never rules of their own (tokenizers, normalizers/precompiled.rs).
constexpr size_t kMaxClusterBytes = 5;

// The fields of a unit (darts-clone, DoubleArrayUnit).
bool has_leaf(uint32_t unit) {
  return (unit >> 8 & 1) != 0;
}
uint32_t leaf_value(uint32_t unit) {
  return unit & 0x7FFFFFFF;
}
uint32_t label(uint32_t unit) {
  return unit & (0x80000000 | 0xFF);
}
size_t offset(uint32_t unit) {
  return static_cast<size_t>(unit >> 10) << ((unit & (1u << 9)) >> 6);
}

class CharsmapNormalizer : public Normalizer {
 public:
  explicit CharsmapNormalizer(Charsmap rules) : rules_(std::move(rules)) {}

  void apply(std::string& text) const override {
    std::string out;
    out.reserve(text.size() + text.size() / 8);
    const char* const end = text.data() + text.size();
    for (const char* p = text.data(); p < end;) {
      const char* const stop = grapheme_end(p, end);
      if (stop == p + 1 && !rules_.begins(*p)) {
        out += *p;
        p = stop;
        continue;
      }
      const std::string_view cluster(p, static_cast<size_t>(stop - p));
      if (cluster.size() <= kMaxClusterBytes) {
        if (const auto text_of = rules_.find(cluster)) {
          out += *text_of;
          p = stop;
          continue;
        }
      }
      while (p < stop) {
        const std::string_view character(p, decode_utf8(p, stop).size_bytes);
        out += rules_.find(character).value_or(character);
        p += character.size();
      }
    }
    text.swap(out);
  }

 private:
  const Charsmap rules_;
};

}  // namespace

Charsmap::Charsmap(std::string_view blob, const std::string& where) {
  uint32_t trie_bytes = 0;
  if (blob.size() >= kUnitBytes) std::memcpy(&trie_bytes, blob.data(), kUnitBytes);
  trie_bytes -= trie_bytes % kUnitBytes;
  if (trie_bytes == 0 || trie_bytes > blob.size() - kUnitBytes) {
    fail(where,
         "a trie of " + std::to_string(trie_bytes) + " bytes in " + std::to_string(blob.size()),
         "a trie within the data");
  }
  units_.resize(trie_bytes / kUnitBytes);
  std::memcpy(units_.data(), blob.data() + kUnitBytes, trie_bytes);
  texts_ = blob.substr(kUnitBytes + trie_bytes);
  if (!is_valid_utf8(texts_)) fail(where, "replacements that are no UTF-8", "UTF-8");
  for (int c = 0; c < 128; ++c) {
    const size_t at = offset(units_[0]) ^ static_cast<size_t>(c);
    begins_[c] = c != 0 && label(unit(at)) == static_cast<uint32_t>(c);
  }
}

std::optional<std::string_view> Charsmap::find(std::string_view text) const {
  size_t node = offset(units_[0]);
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte == 0) break;
    node ^= byte;
    const uint32_t here = unit(node);
    if (label(here) != byte) break;
    node ^= offset(here);
    if (!has_leaf(here)) continue;
    const size_t begin = leaf_value(unit(node));
    if (begin > texts_.size()) return std::nullopt;
    const std::string_view rest = std::string_view(texts_).substr(begin);
    return rest.substr(0, rest.find('\0'));
  }
  return std::nullopt;
}

NormalizerPtr make_charsmap_normalizer(const JsonNode& node) {
  const JsonNode member = node.get("precompiled_charsmap");
  const auto blob = decode_base64(member.as_string());
  if (!blob) fail(member.where, "no base64", "SentencePiece's rules in base64");
  return std::make_unique<CharsmapNormalizer>(Charsmap(*blob, member.where));
}

}  // namespace rmkv
