// UTF-8 and character classes.
#include "tests/catch.h"
#include "tokenizer/byte_level.h"
#include "tokenizer/unicode.h"

using namespace rmkv;

TEST_CASE("character classes are those of Unicode 16.0") {
  const UnicodeClasses& classes = UnicodeClasses::instance();
  int letters = 0, numbers = 0, spaces = 0;
  for (uint32_t code_point = 0; code_point < 0x110000; ++code_point) {
    letters += (classes.of(code_point) & kLetterClass) != 0;
    numbers += (classes.of(code_point) & kNumberClass) != 0;
    spaces += (classes.of(code_point) & kSpaceClass) != 0;
  }
  // Counted in Hugging Face tokenizers 0.23.3 through its splitter.
  CHECK(letters == 141028);
  CHECK(numbers == 1911);
  CHECK(spaces == 25);
  CHECK((classes.of(0x1C89) & kLetterClass) != 0);  // new in 16.0
  CHECK((classes.of(0x180E) & kSpaceClass) == 0);   // a space before Unicode 6.3
  CHECK(classes.of(0x110000) == 0);
  CHECK(classes.of(kInvalidCodePoint) == 0);
}

TEST_CASE("decode_utf8 takes what the standard allows and nothing else") {
  const auto size_of = [](std::string_view text) {
    const Utf8Char c = decode_utf8(text.data(), text.data() + text.size());
    return c.code_point == kInvalidCodePoint ? 0u : c.size_bytes;
  };
  for (uint32_t code_point = 0; code_point < 0x110000; ++code_point) {
    if (code_point >= 0xD800 && code_point < 0xE000) continue;
    std::string text;
    append_utf8(code_point, text);
    const Utf8Char c = decode_utf8(text.data(), text.data() + text.size());
    if (c.code_point != code_point || c.size_bytes != text.size())
      FAIL("U+" << std::hex << code_point);
  }
  CHECK(size_of("\x80") == 0);
  CHECK(size_of("\xC0\x80") == 0);          // overlong
  CHECK(size_of("\xE0\x9F\xBF") == 0);      // overlong
  CHECK(size_of("\xED\xA0\x80") == 0);      // surrogate
  CHECK(size_of("\xF4\x90\x80\x80") == 0);  // above U+10FFFF
  CHECK(size_of("\xE2\x82") == 0);          // cut off
  CHECK(size_of("\xE2\x82\xAC") == 3);
}

TEST_CASE("incomplete_utf8_tail finds the beginning of a character") {
  CHECK(incomplete_utf8_tail("") == 0);
  CHECK(incomplete_utf8_tail("abc") == 0);
  CHECK(incomplete_utf8_tail("a\xE2\x82") == 2);
  CHECK(incomplete_utf8_tail("a\xE2") == 1);
  CHECK(incomplete_utf8_tail("a\xF0\x9F\x98") == 3);
  CHECK(incomplete_utf8_tail("a\xF0\x9F\x98\x80") == 0);
  CHECK(incomplete_utf8_tail("a\xE0\x80") == 0);  // can no longer become a character
  CHECK(incomplete_utf8_tail("a\x80") == 0);
  CHECK(incomplete_utf8_tail("\xFF") == 0);
}

TEST_CASE("bytes are spelled as GPT-2 spells them") {
  CHECK(spell_bytes(" \n\x7F\xAD!") == "\xC4\xA0\xC4\x8A\xC4\xA1\xC5\x83!");
  std::string all;
  for (int byte = 0; byte < 256; ++byte) all += static_cast<char>(byte);
  CHECK(unspell_bytes(spell_bytes(all)) == all);
  CHECK_FALSE(unspell_bytes("a b").has_value());
  CHECK(bytes_by_code_point()[0] == '!');
  CHECK(bytes_by_code_point()[255] == 0xAD);
}
