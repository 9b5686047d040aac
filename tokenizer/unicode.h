// UTF-8, the character classes of Unicode 16.0 that pre-tokenisers need, lower case; normal forms
// are in normal_form.h.
//
// The version is fixed because Hugging Face's tokenizers have it compiled in, and a newer letter
// would change the ids of a text.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace rmkv {

enum CharClass : uint16_t {  // bits
  kOtherClass = 0,
  kLetterClass = 1,         // \p{L}
  kNumberClass = 2,         // \p{N}
  kSpaceClass = 4,          // \s: White_Space
  kWordClass = 8,           // \w: Alphabetic, marks, decimal digits, connectors, joiners
  kSplitClasses = 7,        // the three that split patterns name; at most one of them is set
  kUpperClass = 16,         // \p{Lu}
  kTitleClass = 32,         // \p{Lt}
  kLowerClass = 64,         // \p{Ll}
  kModifierClass = 128,     // \p{Lm}
  kMarkClass = 256,         // \p{M}
  kPunctuationClass = 512,  // \p{P}
  kSymbolClass = 1024,      // \p{S}
  // What steps of Hugging Face's library take for a digit, a punctuation mark, an accent
  // (StripAccents), an accent (BertNormalizer) and a control character; each by another Unicode
  // version.
  kDigitStep = 2048,
  kPunctuationStep = 4096,
  kAccentStep = 8192,
  kBertAccentStep = 16384,
  kBertControlStep = 32768,
};

struct UnicodeRange {
  uint32_t first, last;
  uint16_t classes;
};
extern const UnicodeRange kUnicodeRanges[];
extern const size_t kUnicodeRangeCount;
// Characters that the library's normal forms (Unicode 9.0) leave alone and newer ones do not.
extern const UnicodeRange kNoNormalForms[];
extern const size_t kNoNormalFormsCount;

// Every step-th character of [first, last] becomes lower case by adding `added`.
struct LowerRange {
  uint32_t first, last, step;
  int32_t added;
};
extern const LowerRange kLowerRanges[];
extern const size_t kLowerRangeCount;

// Looks up the bits of CharClass of a code point in two steps (pages of 256; those of one class are
// stored once).
class UnicodeClasses {
 public:
  // Built from the ranges at the first call.
  static const UnicodeClasses& instance();

  uint16_t of(uint32_t code_point) const {
    return code_point < 0x110000 ? pages_[page_of_[code_point >> 8] * 256u + (code_point & 255)]
                                 : 0;
  }

 private:
  UnicodeClasses();

  uint16_t page_of_[0x1100];
  std::vector<uint16_t> pages_;
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

// Appends the lower case of a character (of U+0130 two characters; no context, no language).
void append_lower(uint32_t code_point, std::string& out);

bool is_valid_utf8(std::string_view text);

// How many bytes at the end of `text` are the beginning of a character that is not complete: 0
// to 3.
size_t incomplete_utf8_tail(std::string_view text);

}  // namespace rmkv
