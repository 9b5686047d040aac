// A filter of pairs of neighbouring characters; what it lets through may be in a token, what it
// holds back is in none.
#include "tokenizer/merge_cuts.h"

#include <bit>

#include "tokenizer/byte_block.h"
#include "tokenizer/unicode.h"

namespace rmkv {
namespace {

class MergeCuts : public Splitter {
 public:
  MergeCuts() : filter_(kFilterBits / 64, 0), known_(kKnownBits / 64, 0) {}

  void add_token(std::string_view token) {
    const char* const end = token.data() + token.size();
    uint32_t previous = 0;
    for (const char* p = token.data(); p < end;) {
      const Utf8Char c = decode_utf8(p, end);
      if (p > token.data()) set(filter_, pair_bit(previous, c.code_point));
      previous = c.code_point;
      p += c.size_bytes;
    }
  }
  // A character with a token of its own; only behind such a one is a cut made, so that runs of
  // unknown ones stay together.
  void add_character(uint32_t code_point) {
    if (code_point < kKnownBits) set(known_, code_point);
  }

  size_t split(std::string_view text, size_t begin,
               std::span<std::string_view> words) const override {
    const char* const end = text.data() + text.size();
    Cutter cutter{*this, text.data() + begin, end, words};
    const char* p = text.data() + begin;
    for (; end - p >= kBlockBytes && cutter.room() >= kBlockBytes; p += kBlockBytes) {
      const ByteBlock block(p);
      // Two letters side by side are in some token of any vocabulary: not worth a look.  Neither is
      // the inside of a character.
      const uint64_t letter = block.lower().in_range('a', 26);
      const uint64_t inside = block.in_range(0x80, 0x40) | (letter & letter << 1);
      for (uint64_t left = ~inside; left != 0; left &= left - 1) {
        cutter.look(p + std::countr_zero(left));
      }
    }
    if (end - p >= kBlockBytes && cutter.count > 0) return cutter.count;  // more by the next call
    for (; p < end && cutter.room() > 0; ++p) {
      if ((static_cast<unsigned char>(*p) & 0xC0) != 0x80) cutter.look(p);
    }
    if (p == end && cutter.room() > 0) {
      words[cutter.count++] = {cutter.start, static_cast<size_t>(end - cutter.start)};
    }
    return cutter.count;
  }

 private:
  // Writes words as it is shown one character after the other; it may be spared letters behind
  // letters.
  struct Cutter {
    const MergeCuts& cuts;
    const char* start;  // of the word that has not ended
    const char* end;    // of the text
    std::span<std::string_view> words;
    size_t count = 0;
    Utf8Char previous{kInvalidCodePoint, 0};
    const char* previous_end = start;

    size_t room() const { return words.size() - count; }

    // The character at `p`, behind which `words` has room for one more.
    void look(const char* p) {
      const Utf8Char c = static_cast<unsigned char>(*p) < 0x80
                             ? Utf8Char{static_cast<unsigned char>(*p), 1}
                             : decode_utf8(p, end);
      if (p > start) {
        const auto before = static_cast<unsigned char>(p[-1]);
        const uint32_t left = before < 0x80       ? before
                              : previous_end == p ? previous.code_point
                                                  : kInvalidCodePoint;
        const bool cut = cuts.is_known(left) && !has(cuts.filter_, pair_bit(left, c.code_point));
        words[count] = {start, static_cast<size_t>(p - start)};
        count += cut;
        start = cut ? p : start;
      }
      previous = c;
      previous_end = p + c.size_bytes;
    }
  };

  // Vocabularies have some ten thousand pairs of characters: 1 % of the bits, 32 KiB.
  static constexpr uint32_t kFilterBits = 1u << 18;

  static constexpr uint32_t kKnownBits = 1u << 17;  // planes 0 and 1; beyond them no cut is made

  static uint32_t pair_bit(uint32_t a, uint32_t b) {
    if ((a | b) < 128) return a << 7 | b;
    return (1u << 17) | ((a * 0x9E3779B1u + b * 0x85EBCA77u) >> 15);
  }
  bool is_known(uint32_t code_point) const {
    return code_point < kKnownBits && has(known_, code_point);
  }
  static void set(std::vector<uint64_t>& bits, uint32_t at) {
    bits[at / 64] |= uint64_t{1} << (at % 64);
  }
  static bool has(const std::vector<uint64_t>& bits, uint32_t at) {
    return (bits[at / 64] >> (at % 64) & 1) != 0;
  }

  std::vector<uint64_t> filter_, known_;
};

class ByteCuts : public Splitter {
 public:
  ByteCuts() : triples_(kTripleBits / 64, 0), beginnings_(65536 / 64, 0) {}

  void add_token(std::string_view token) {
    if (token.size() < 2) return;
    set(beginnings_, pair(token[0], token[1]));
    for (size_t i = 2; i < token.size(); ++i) {
      set(triples_, triple(token[i - 2], token[i - 1], token[i]));
    }
  }

  size_t split(std::string_view text, size_t begin,
               std::span<std::string_view> words) const override {
    size_t count = 0;
    for (size_t i = begin + 1; i < text.size() && count + 1 < words.size(); ++i) {
      if (has(beginnings_, pair(text[i - 1], text[i]))) continue;
      if (i >= 2 && has(triples_, triple(text[i - 2], text[i - 1], text[i]))) continue;
      words[count++] = text.substr(begin, i - begin);
      begin = i;
    }
    if (begin < text.size() && count < words.size()) {
      // With no room for more, the last word is cut by the next call.
      if (count + 1 < words.size() || count == 0) {
        words[count++] = text.substr(begin);
      }
    }
    return count;
  }

 private:
  static constexpr uint32_t kTripleBits = 1u << 18;

  static uint32_t byte(char c) { return static_cast<unsigned char>(c); }
  static uint32_t pair(char a, char b) { return byte(a) << 8 | byte(b); }
  static uint32_t triple(char a, char b, char c) {
    return ((byte(a) << 16 | byte(b) << 8 | byte(c)) * 0x9E3779B1u) >> 14;
  }
  static void set(std::vector<uint64_t>& bits, uint32_t at) {
    bits[at / 64] |= uint64_t{1} << (at % 64);
  }
  static bool has(const std::vector<uint64_t>& bits, uint32_t at) {
    return (bits[at / 64] >> (at % 64) & 1) != 0;
  }

  std::vector<uint64_t> triples_, beginnings_;
};

}  // namespace

SplitterPtr make_byte_cuts(const std::vector<std::string_view>& words, const MergeTable& merges) {
  auto cuts = std::make_unique<ByteCuts>();
  for (const MergeTable::Merge& merge : merges.merges()) cuts->add_token(words[merge.result]);
  return cuts;
}

SplitterPtr make_merge_cuts(const BpeSpec& spec, const MergeTable& merges) {
  auto cuts = std::make_unique<MergeCuts>();
  for (const MergeTable::Merge& merge : merges.merges()) {
    for (const int32_t id : {merge.left, merge.right}) {
      // Merges of unknown tokens or of bytes are not merges of the text they stand for.
      const std::string& part = spec.entries[id];
      const bool is_byte = spec.byte_fallback && part.size() == 6 && part.starts_with("<0x");
      if (id == spec.unknown_id || is_byte) return nullptr;
    }
    cuts->add_token(spec.entries[merge.result]);
  }
  for (const std::string& entry : spec.entries) {
    if (entry.empty()) continue;
    const Utf8Char c = decode_utf8(entry.data(), entry.data() + entry.size());
    if (c.size_bytes == entry.size() && c.code_point != kInvalidCodePoint) {
      cuts->add_character(c.code_point);
    }
  }
  return cuts;
}

}  // namespace rmkv
