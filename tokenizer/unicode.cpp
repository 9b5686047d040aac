// UTF-8 decoding (Unicode 16.0, table 3-7) and the two-step class table.
#include "tokenizer/unicode.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <map>
#include <string>

#include "core/base/error.h"

namespace rmkv {

const UnicodeClasses& UnicodeClasses::instance() {
  static const UnicodeClasses classes;
  return classes;
}

UnicodeClasses::UnicodeClasses() {
  // Most pages are of one class and stored once; of the others hardly two are equal.
  std::map<uint16_t, uint16_t> page_of_class;
  size_t range = 0;
  for (uint32_t page = 0; page < 0x1100; ++page) {
    const uint32_t first = page * 256, last = first + 255;
    while (range < kUnicodeRangeCount && kUnicodeRanges[range].last < first) ++range;
    const bool empty = range == kUnicodeRangeCount || kUnicodeRanges[range].first > last;
    const bool full =
        !empty && kUnicodeRanges[range].first <= first && kUnicodeRanges[range].last >= last;
    const auto next_page = static_cast<uint16_t>(pages_.size() / 256);
    if (empty || full) {
      const uint16_t classes = empty ? 0 : kUnicodeRanges[range].classes;
      const auto [entry, is_new] = page_of_class.emplace(classes, next_page);
      if (is_new) pages_.resize(pages_.size() + 256, classes);
      page_of_[page] = entry->second;
      continue;
    }
    page_of_[page] = next_page;
    pages_.resize(pages_.size() + 256, 0);
    uint16_t* const content = &pages_[pages_.size() - 256];
    for (size_t r = range; r < kUnicodeRangeCount && kUnicodeRanges[r].first <= last; ++r) {
      const uint32_t from = std::max(first, kUnicodeRanges[r].first);
      const uint32_t to = std::min(last, kUnicodeRanges[r].last);
      std::fill(content + (from - first), content + (to - first) + 1, kUnicodeRanges[r].classes);
    }
  }
}

Utf8Char decode_utf8(const char* text, const char* end) {
  const auto* p = reinterpret_cast<const unsigned char*>(text);
  const size_t left = static_cast<size_t>(end - text);
  const auto continues = [&](size_t i) { return i < left && (p[i] & 0xC0) == 0x80; };
  const uint32_t lead = p[0];
  if (lead < 0x80) return {lead, 1};
  if (lead >= 0xC2 && lead <= 0xDF && continues(1)) return {(lead & 0x1F) << 6 | (p[1] & 0x3Fu), 2};
  if (lead >= 0xE0 && lead <= 0xEF && continues(1) && continues(2)) {
    const uint32_t code = (lead & 0x0F) << 12 | (p[1] & 0x3Fu) << 6 | (p[2] & 0x3Fu);
    if (code >= 0x800 && (code < 0xD800 || code > 0xDFFF)) return {code, 3};
  }
  if (lead >= 0xF0 && lead <= 0xF4 && continues(1) && continues(2) && continues(3)) {
    const uint32_t code =
        (lead & 0x07) << 18 | (p[1] & 0x3Fu) << 12 | (p[2] & 0x3Fu) << 6 | (p[3] & 0x3Fu);
    if (code >= 0x10000 && code <= 0x10FFFF) return {code, 4};
  }
  return {kInvalidCodePoint, 1};
}

void append_utf8(uint32_t code, std::string& out) {
  if (code < 0x80) {
    out += static_cast<char>(code);
  } else if (code < 0x800) {
    out += static_cast<char>(0xC0 | code >> 6);
    out += static_cast<char>(0x80 | (code & 0x3F));
  } else if (code < 0x10000) {
    out += static_cast<char>(0xE0 | code >> 12);
    out += static_cast<char>(0x80 | (code >> 6 & 0x3F));
    out += static_cast<char>(0x80 | (code & 0x3F));
  } else {
    out += static_cast<char>(0xF0 | code >> 18);
    out += static_cast<char>(0x80 | (code >> 12 & 0x3F));
    out += static_cast<char>(0x80 | (code >> 6 & 0x3F));
    out += static_cast<char>(0x80 | (code & 0x3F));
  }
}

void append_lower(uint32_t code, std::string& out) {
  if (code < 0x80) {
    out += static_cast<char>(code >= 'A' && code <= 'Z' ? code | 0x20 : code);
    return;
  }
  if (code == 0x130) {  // I with dot above: i and a combining dot
    out += "i\xCC\x87";
    return;
  }
  const LowerRange* const end = kLowerRanges + kLowerRangeCount;
  const LowerRange* const range =
      std::partition_point(kLowerRanges, end, [&](const LowerRange& r) { return r.last < code; });
  const bool found =
      range != end && code >= range->first && (code - range->first) % range->step == 0;
  append_utf8(found ? code + static_cast<uint32_t>(range->added) : code, out);
}

bool is_valid_utf8(std::string_view text) {
  const char* const end = text.data() + text.size();
  for (const char* p = text.data(); p < end;) {
    const Utf8Char c = decode_utf8(p, end);
    if (c.code_point == kInvalidCodePoint) return false;
    p += c.size_bytes;
  }
  return true;
}

size_t incomplete_utf8_tail(std::string_view text) {
  // A lead byte among the last three bytes opens a character; it is incomplete when the bytes there
  // are a proper prefix of some valid character, found by trying the smallest and greatest
  // completion.
  for (size_t size = 1; size <= 3 && size <= text.size(); ++size) {
    const std::string_view tail = text.substr(text.size() - size);
    if ((static_cast<unsigned char>(tail[0]) & 0xC0) == 0x80) continue;
    for (const char fill : {'\x80', '\xBF'}) {
      for (size_t whole = size + 1; whole <= 4; ++whole) {
        std::string trial(tail);
        trial.resize(whole, fill);
        if (decode_utf8(trial.data(), trial.data() + whole).size_bytes == whole) return size;
      }
    }
    return 0;
  }
  return 0;
}

}  // namespace rmkv
