// The split machines against their regular expressions.
#include "tests/catch.h"
#include "tests/tokenizer/random_text.h"
#include "tokenizer/char_masks.h"
#include "tokenizer/splitter.h"
#include "tokenizer/unicode.h"

using namespace rmkv;

namespace {

std::vector<std::string> split_all(const Splitter& splitter, std::string_view text, size_t batch) {
  std::vector<std::string_view> words(batch);
  std::vector<std::string> all;
  for (size_t begin = 0; begin < text.size();) {
    const size_t count = splitter.split(text, begin, words);
    REQUIRE(count > 0);
    for (size_t i = 0; i < count; ++i) {
      REQUIRE(words[i].data() == text.data() + begin);
      REQUIRE(!words[i].empty());
      begin += words[i].size();
      all.emplace_back(words[i]);
    }
  }
  return all;
}

std::vector<std::string> split_all(SplitPattern pattern, std::string_view text) {
  return split_all(*make_splitter(pattern), text, 7);
}

// A character that PCRE2 may know from another Unicode version than ours (assigned after 14.0, or
// U+180E).
bool is_same_everywhere(std::string_view text) {
  const char* const end = text.data() + text.size();
  for (const char* p = text.data(); p < end;) {
    const Utf8Char c = decode_utf8(p, end);
    // Blocks that got no letter or number after Unicode 14.
    const bool old = c.code_point < 0x370 || (c.code_point >= 0x3040 && c.code_point < 0x9000) ||
                     (c.code_point >= 0x2000 && c.code_point < 0x2600) ||
                     c.code_point == kInvalidCodePoint ||
                     (c.code_point >= 0x1F600 && c.code_point < 0x1F650);
    if (!old) return false;
    p += c.size_bytes;
  }
  return true;
}

using Words = std::vector<std::string>;

// Whether what the masks say of a block agrees with looking at one character after the other.
bool masks_agree(const char* block) {
  const CharMasks masks = load_char_masks(block);
  for (int at = 0; at < kBlockBytes;) {
    const Utf8Char c = decode_utf8(block + at, block + kBlockBytes);
    const auto size = static_cast<int>(c.size_bytes);
    const uint64_t bytes = ((uint64_t{1} << size) - 1) << at, last = uint64_t{1} << (at + size - 1);
    const uint16_t char_class = UnicodeClasses::instance().of(c.code_point) & kSplitClasses;
    const bool undecided = (masks.undecided & bytes) != 0;
    const auto is = [&](uint64_t mask, bool expected) {
      return (mask & bytes) == (expected ? bytes : 0);
    };
    if (undecided ? static_cast<unsigned char>(block[at]) < 0x80
                  : c.code_point == kInvalidCodePoint) {
      return false;
    }
    if (!is(masks.undecided, undecided)) return false;
    if (!undecided && !(is(masks.letter, char_class == kLetterClass) &&
                        is(masks.digit, char_class == kNumberClass) &&
                        is(masks.space, char_class == kSpaceClass))) {
      return false;
    }
    const bool wide_other = !undecided && size == 3 && char_class == kOtherClass;
    if (((masks.wide_other_end & last) != 0) != wide_other) return false;
    at += size;
  }
  return true;
}

}  // namespace

TEST_CASE("the split patterns cut as their expressions say") {
  CHECK(split_all(SplitPattern::kGpt2, "I'm  here, 'LL  \n\n12345 x\n") ==
        Words{"I", "'m", " ", " here", ",", " '", "LL", "  \n", "\n", "12345", " x", "\n"});
  CHECK(split_all(SplitPattern::kLlama3, "I'LL  go!\n\n 12345 \n x.y  \t") ==
        Words{"I", "'LL", " ", " go", "!\n\n", " ", "123", "45", " \n", " x", ".y", "  \t"});
  CHECK(split_all(SplitPattern::kQwen2, "a12 'S'\xC5\xBF\xC2\xA0z") ==
        Words{"a", "1", "2", " '", "S", "'\xC5\xBF", "\xC2\xA0z"});
  CHECK(split_all(SplitPattern::kGpt2, "").empty());
}

TEST_CASE("the machines agree with PCRE2 on random text") {
  const uint64_t seed = 20250101;
  INFO("seed " << seed);
  RandomStream random(seed, "splitter");
  for (const SplitPattern pattern :
       {SplitPattern::kGpt2, SplitPattern::kLlama3, SplitPattern::kQwen2}) {
    const SplitterPtr machine = make_splitter(pattern);
    const SplitterPtr regex = make_regex_splitter(split_pattern_regex(pattern), "test");
    int compared = 0;
    for (int i = 0; i < 20000; ++i) {
      const std::string text = random_text(random, true);
      if (!is_same_everywhere(text)) continue;
      ++compared;
      const Words expected = split_all(*regex, text, 64);
      if (split_all(*machine, text, 1 + random.below(9)) != expected) {
        FAIL(split_pattern_name(pattern) << " differs on '" << text << "'");
      }
    }
    CHECK(compared > 2000);
  }
}

TEST_CASE("the masks of a block know each character's class or leave it undecided") {
  size_t decided = 0;
  for (uint32_t code_point = 0; code_point < 0x110000; ++code_point) {
    if (code_point >= 0xD800 && code_point < 0xE000) continue;
    std::string character;
    append_utf8(code_point, character);
    std::string block(20, 'a');
    block += character + " " + character;
    block.resize(kBlockBytes - character.size() / 2, '-');
    block += character;  // cut off by the end unless it is ASCII
    if (!masks_agree(block.data())) FAIL("U+" << std::hex << code_point);
    decided += load_char_masks(block.data()).undecided == 0;
  }
  CHECK(decided == 128);  // no character that is cut off is decided

  const uint64_t seed = 65;
  INFO("seed " << seed);
  RandomStream random(seed, "masks");
  for (int i = 0; i < 200000; ++i) {
    std::string block;
    while (block.size() < kBlockBytes) {
      block +=
          random.below(3) == 0
              ? pick(random, {"\xE2\x80\x9C", "\xC3\xA9", "\xE3\x81\x82", "\xE6\x97\xA5", "\xC3"})
              : std::string(1, static_cast<char>(random.below(4) == 0 ? random.below(256)
                                                                      : 0x80 + random.below(128)));
    }
    if (!masks_agree(block.data())) FAIL("block " << i);
  }
}

TEST_CASE("blocks are cut like single words") {
  const uint64_t seed = 64;
  INFO("seed " << seed);
  RandomStream random(seed, "blocks");
  for (const SplitPattern pattern :
       {SplitPattern::kGpt2, SplitPattern::kLlama3, SplitPattern::kQwen2}) {
    const SplitterPtr machine = make_splitter(pattern);
    const SplitterPtr regex = make_regex_splitter(split_pattern_regex(pattern), "test");
    for (int i = 0; i < 6000; ++i) {
      std::string text;
      const uint64_t kinds = 1 + random.below(8);
      while (text.size() < 400) {
        switch (random.below(kinds)) {
          case 0:
            text += pick(random, {" a", "the", " Word", "x"});
            break;
          case 1:
            text += pick(random, {" ", "  ", "   ", "\t", " \t"});
            break;
          case 2:
            text += pick(random, {"'s", "'LL", "'", "' ", "'re", "''t", " 'd", "'\xC5\xBF"});
            break;
          case 3:
            text += pick(random, {".", "!", "..", "-", " (", "\""});
            break;
          case 4:
            text += pick(random, {"\n", "\n\n", "\r\n", " \n", "\n ", "\n\t\n"});
            break;
          case 5:
            text += pick(random, {"1", "12", " 345", "6789012345"});
            break;
          case 6:
            text += pick(random, {"\xC3\xA9", "\xE2\x80\x9C", "\xC2\xA0", "\xE3\x80\x82",
                                  "\xE6\x97\xA5", "e"});
            break;
          default:
            text += static_cast<char>(random.below(128));
        }
      }
      const Words expected = split_all(*regex, text, 64);
      if (split_all(*machine, text, 256) != expected || split_all(*machine, text, 1) != expected) {
        FAIL(split_pattern_name(pattern) << " differs on '" << text << "'");
      }
    }
  }
}

TEST_CASE("an invalid byte is a character that is neither letter, number nor space") {
  CHECK(split_all(SplitPattern::kGpt2,
                  "ab\xFF\xFE"
                  "cd") == Words{"ab", "\xFF\xFE", "cd"});
  CHECK(split_all(SplitPattern::kLlama3,
                  "ab\xFF"
                  "cd") == Words{"ab",
                                 "\xFF"
                                 "cd"});
  CHECK(split_all(SplitPattern::kGpt2, "a\xE2\x82") == Words{"a", "\xE2\x82"});
}

TEST_CASE("a regular expression keeps what it does not match") {
  const SplitterPtr digits = make_regex_splitter(R"(\d)", "test");
  CHECK(split_all(*digits, "ab12c", 1) == Words{"ab", "1", "2", "c"});
  const SplitterPtr empty = make_regex_splitter("(?=b)|x*", "test");
  CHECK(split_all(*empty, "abxxb", 2) == Words{"a", "b", "xx", "b"});
  CHECK_THROWS_WITH(make_regex_splitter("(", "FILE"), Catch::Contains("FILE: got pattern '('"));
}

TEST_CASE("unknown pattern names are refused with the nearest one") {
  CHECK(parse_split_pattern("cl100k") == SplitPattern::kLlama3);
  CHECK_THROWS_WITH(parse_split_pattern("gpt3"), Catch::Contains("gpt2"));
}
