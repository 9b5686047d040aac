// The split machines against their regular expressions.
#include "tests/catch.h"
#include "tests/tokenizer/random_text.h"
#include "tokenizer/splitter.h"

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

TEST_CASE("blocks of ASCII are cut like single words") {
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
            text += pick(random, {"\xC3\xA9", "\xE2\x80\x9C", "\xC2\xA0", "e"});
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
