// Normal forms by parts: only stretches that hold a character which may change are decomposed and
// composed, from the character before them to the next that surely stands alone.
#include "tokenizer/normal_form.h"

#include <utf8proc.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <string_view>
#include <vector>

#include "tokenizer/unicode.h"

namespace rmkv {
namespace {

constexpr uint8_t kBarrier = 0x80;  // no normal form touches the character, nor joins it to others

uint8_t unstable_bit(NormalForm form) {
  return static_cast<uint8_t>(1 << static_cast<int>(form));
}
bool is_composed(NormalForm form) {
  return form == NormalForm::kNfc || form == NormalForm::kNfkc;
}
utf8proc_option_t options_of(NormalForm form) {
  int options = UTF8PROC_STABLE | UTF8PROC_DECOMPOSE;
  if (form == NormalForm::kNfkc || form == NormalForm::kNfkd) options |= UTF8PROC_COMPAT;
  return static_cast<utf8proc_option_t>(options);
}

// Appends the full decomposition of a character.
void decompose(NormalForm form, uint32_t code, std::vector<utf8proc_int32_t>& out) {
  utf8proc_int32_t buffer[32];  // the longest has 18
  int boundary = 0;
  const auto size = utf8proc_decompose_char(static_cast<utf8proc_int32_t>(code), buffer, 32,
                                            options_of(form), &boundary);
  if (size < 0 || size > 32) {
    out.push_back(static_cast<utf8proc_int32_t>(code));
  } else {
    out.insert(out.end(), buffer, buffer + size);
  }
}

int combining_class(utf8proc_int32_t code) {
  return utf8proc_get_property(code)->combining_class;
}

void compose(std::vector<utf8proc_int32_t>& codes) {
  const auto size =
      utf8proc_normalize_utf32(codes.data(), static_cast<utf8proc_ssize_t>(codes.size()),
                               static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE));
  codes.resize(static_cast<size_t>(std::max<utf8proc_ssize_t>(size, 0)));
}

// For every character, which forms may change it or join it to the one before (bits of
// unstable_bit), or kBarrier.
class Stability {
 public:
  static const Stability& instance() {
    static const Stability stability;
    return stability;
  }
  uint8_t of(uint32_t code) const {
    if (code >= 0x110000) return kBarrier;
    return pages_[page_of_[code >> 8] * 256u + (code & 255)];
  }

 private:
  Stability() {
    std::map<std::array<uint8_t, 256>, uint16_t> known;
    for (uint32_t page = 0; page < 0x1100; ++page) {
      std::array<uint8_t, 256> content{};
      // Planes 2 to 16 hold nothing that changes, but for the compatibility ideographs.
      if (page < 0x200 || (page >= 0x2F8 && page <= 0x2FA)) {
        for (uint32_t i = 0; i < 256; ++i) content[i] = find(page * 256 + i);
      }
      const auto [entry, is_new] = known.emplace(content, static_cast<uint16_t>(known.size()));
      if (is_new) pages_.insert(pages_.end(), content.begin(), content.end());
      page_of_[page] = entry->second;
    }
    for (size_t r = 0; r < kNoNormalFormsCount; ++r) {
      for (uint32_t code = kNoNormalForms[r].first; code <= kNoNormalForms[r].last; ++code) {
        own_page(code);
        pages_[page_of_[code >> 8] * 256u + (code & 255)] = kBarrier;
      }
    }
  }

  // Gives the page of `code` a copy of its own.
  void own_page(uint32_t code) {
    const uint16_t page = page_of_[code >> 8];
    if (std::count(std::begin(page_of_), std::end(page_of_), page) == 1) return;
    const auto fresh = static_cast<uint16_t>(pages_.size() / 256);
    const std::vector<uint8_t> content(pages_.begin() + page * 256,
                                       pages_.begin() + (page + 1) * 256);
    pages_.insert(pages_.end(), content.begin(), content.end());
    page_of_[code >> 8] = fresh;
  }

  static uint8_t find(uint32_t code) {
    if (code < 0x80) return 0;
    const auto* const property = utf8proc_get_property(static_cast<utf8proc_int32_t>(code));
    const bool joins = property->combining_class != 0 ||
                       (property->comb_index != 0xFFFF && property->comb_index >= 0x8000) ||
                       (code >= 0x1161 && code <= 0x1175) || (code >= 0x11A8 && code <= 0x11C2);
    uint8_t bits = 0;
    for (const NormalForm form :
         {NormalForm::kNfc, NormalForm::kNfd, NormalForm::kNfkc, NormalForm::kNfkd}) {
      std::vector<utf8proc_int32_t> codes;
      decompose(form, code, codes);
      if (is_composed(form)) compose(codes);
      const bool changes = codes.size() != 1 || static_cast<uint32_t>(codes[0]) != code;
      if (changes || joins) bits |= unstable_bit(form);
    }
    return bits;
  }

  uint16_t page_of_[0x1100];
  std::vector<uint8_t> pages_;
};

void normalize_part(NormalForm form, std::string_view part, std::vector<utf8proc_int32_t>& codes,
                    std::string& out) {
  codes.clear();
  const char* const end = part.data() + part.size();
  for (const char* p = part.data(); p < end;) {
    const Utf8Char c = decode_utf8(p, end);
    decompose(form, c.code_point, codes);
    p += c.size_bytes;
  }
  for (auto first = codes.begin(); first != codes.end();) {
    auto last = first + 1;
    if (combining_class(*first) != 0) {
      while (last != codes.end() && combining_class(*last) != 0) ++last;
      std::stable_sort(first, last, [](utf8proc_int32_t a, utf8proc_int32_t b) {
        return combining_class(a) < combining_class(b);
      });
    }
    first = last;
  }
  if (is_composed(form)) compose(codes);
  for (const utf8proc_int32_t code : codes) append_utf8(static_cast<uint32_t>(code), out);
}

}  // namespace

void normalize(NormalForm form, std::string& text) {
  const Stability& stability = Stability::instance();
  const uint8_t unstable = unstable_bit(form);
  const char* const end = text.data() + text.size();
  const char* copied = text.data();  // what lies before is in `out`
  const char* previous = nullptr;    // the character before `p`, when it may join with it
  std::string out;
  std::vector<utf8proc_int32_t> codes;
  for (const char* p = text.data(); p < end;) {
    if (static_cast<unsigned char>(*p) < 0x80) {
      previous = p++;
      continue;
    }
    Utf8Char c = decode_utf8(p, end);
    uint8_t bits = stability.of(c.code_point);
    if ((bits & unstable) == 0) {
      previous = bits == kBarrier ? nullptr : p;
      p += c.size_bytes;
      continue;
    }
    const char* const first = previous != nullptr ? previous : p;
    do {
      p += c.size_bytes;
      if (p == end) break;
      c = decode_utf8(p, end);
      bits = stability.of(c.code_point);
    } while ((bits & unstable) != 0);
    out.append(copied, static_cast<size_t>(first - copied));
    normalize_part(form, {first, static_cast<size_t>(p - first)}, codes, out);
    copied = p;
    previous = nullptr;
  }
  if (copied == text.data()) return;
  out.append(copied, static_cast<size_t>(end - copied));
  text.swap(out);
}

}  // namespace rmkv
