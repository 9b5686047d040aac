// UTF-8 and the character classes of Unicode 16.0 that pre-tokenisers need; no normalisation, no
// case folding.
//
// The version is fixed because Hugging Face's tokenizers have it compiled in, and a newer letter
// would change the ids of a text.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace rmkv {

enum CharClass : uint8_t {  // bits
  kOtherClass = 0,
  kLetterClass = 1,   // \p{L}
  kNumberClass = 2,   // \p{N}
  kSpaceClass = 4,    // \s: White_Space
  kWordClass = 8,     // \w: Alphabetic, marks, decimal digits, connectors, joiners
  kSplitClasses = 7,  // the three that split patterns name; at most one of them is set
};

struct UnicodeRange {
  uint32_t first, last;
  uint8_t classes;
};
extern const UnicodeRange kUnicodeRanges[];
extern const size_t kUnicodeRangeCount;

// Looks up the bits of CharClass of a code point in two steps (pages of 256, equal pages stored
// once).
class UnicodeClasses {
 public:
  // Built from the ranges at the first call.
  static const UnicodeClasses& instance();

  uint8_t of(uint32_t code_point) const {
    return code_point < 0x110000 ? pages_[page_of_[code_point >> 8] * 256u + (code_point & 255)]
                                 : 0;
  }

 private:
  UnicodeClasses();

  uint8_t page_of_[0x1100];
  std::string pages_;
};

inline constexpr uint32_t kInvalidCodePoint = 0xFFFFFFFF;

struct Utf8Char {
  uint32_t code_point;  // kInvalidCodePoint where no character starts
  uint32_t size_bytes;  // 1 for an invalid byte
};

// The character at the beginning of [text, end), which must not be empty.  Overlong forms,
// surrogates and values above U+10FFFF are invalid bytes, one by one.
Utf8Char decode_utf8(const char* text, const char* end);

void append_utf8(uint32_t code_point, std::string& out);

bool is_valid_utf8(std::string_view text);

// How many bytes at the end of `text` are the beginning of a character that is not complete: 0
// to 3.
size_t incomplete_utf8_tail(std::string_view text);

}  // namespace rmkv
