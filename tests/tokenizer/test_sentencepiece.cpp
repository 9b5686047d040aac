// What files converted from SentencePiece need: grapheme clusters and compiled normalisation rules.
#include <algorithm>
#include <cstring>
#include <functional>
#include <map>

#include "core/base/error.h"
#include "tests/catch.h"
#include "tokenizer/charsmap.h"
#include "tokenizer/grapheme.h"

using namespace rmkv;

namespace {

std::vector<std::string> clusters(const std::string& text) {
  std::vector<std::string> found;
  const char* const end = text.data() + text.size();
  for (const char* p = text.data(); p < end;) {
    const char* const stop = grapheme_end(p, end);
    found.emplace_back(p, stop);
    p = stop;
  }
  return found;
}

// Rules in the format of SentencePiece's precompiled_charsmap, laid out without care for space.
std::string compile(const std::map<std::string, std::string>& rules) {
  std::vector<uint32_t> units(1 << 16, 0);
  std::string texts;
  size_t free = 0;  // the last base taken; no two nodes share one
  // The node of `prefix` stands in units[place].
  const std::function<void(const std::string&, size_t)> add = [&](const std::string& prefix,
                                                                  size_t place) {
    std::map<unsigned char, bool> next;
    const auto own = rules.find(prefix);
    for (const auto& [key, text] : rules) {
      if (key.size() > prefix.size() && key.starts_with(prefix))
        next[static_cast<unsigned char>(key[prefix.size()])];
    }
    const bool leaf = own != rules.end();
    const size_t base = free += 256;
    units[place] |= static_cast<uint32_t>(base ^ place) << 10 | (leaf ? 1u << 8 : 0);
    if (leaf) {
      units[base] = static_cast<uint32_t>(texts.size()) | 1u << 31;
      texts += own->second + '\0';
    }
    for (const auto& [byte, unused] : next) {
      units[base ^ byte] = byte;
      add(prefix + static_cast<char>(byte), base ^ byte);
    }
  };
  add("", 0);
  const auto size = static_cast<uint32_t>(units.size() * sizeof(uint32_t));
  std::string blob(sizeof(size) + size, '\0');
  std::memcpy(blob.data(), &size, sizeof(size));
  std::memcpy(blob.data() + sizeof(size), units.data(), size);
  return blob + texts;
}

}  // namespace

TEST_CASE("grapheme clusters by the rules of Unicode's annex 29") {
  using Texts = std::vector<std::string>;
  CHECK(clusters("ab") == Texts{"a", "b"});
  CHECK(clusters("\r\n\n") == Texts{"\r\n", "\n"});                  // GB3
  CHECK(clusters("e\u0301\u0327x") == Texts{"e\u0301\u0327", "x"});  // GB9
  CHECK(clusters("\n\u0301") == Texts{"\n", "\u0301"});              // GB4
  CHECK(clusters("\u1112\u1161\u11ab\uac00\u11a8") ==
        Texts{"\u1112\u1161\u11ab", "\uac00\u11a8"});                          // GB6-8
  CHECK(clusters("\u0600a") == Texts{"\u0600a"});                              // GB9b
  CHECK(clusters("\u0915\u094d\u0937x") == Texts{"\u0915\u094d\u0937", "x"});  // GB9c
  CHECK(clusters("\u0915\u0937") == Texts{"\u0915", "\u0937"});
  CHECK(clusters("\U0001F468\u200D\U0001F469\u200D\u200D\U0001F467") ==
        Texts{"\U0001F468\u200D\U0001F469\u200D\u200D", "\U0001F467"});  // GB11
  CHECK(clusters("\U0001F1E6\U0001F1E7\U0001F1E8") ==
        Texts{"\U0001F1E6\U0001F1E7", "\U0001F1E8"});  // GB12
  CHECK(clusters("a\xff\u0301") == Texts{"a", "\xff", "\u0301"});
}

TEST_CASE("a charsmap finds the shortest rule, as Hugging Face does") {
  const Charsmap rules(compile({{"a", "x"}, {"ab", "y"}, {"\u00e9", "e"}, {"zz", ""}}), "blob");
  CHECK(rules.find("a") == "x");
  CHECK(rules.find("abc") == "x");
  CHECK(rules.find("\u00e9") == "e");
  CHECK(rules.find("zz") == "");
  CHECK_FALSE(rules.find("z"));
  CHECK_FALSE(rules.find("b"));
  CHECK_FALSE(rules.find(""));
  CHECK(rules.begins('a'));
  CHECK_FALSE(rules.begins('b'));
}

TEST_CASE("damaged charsmaps are refused or harmless") {
  const auto make = [](std::string blob) { return Charsmap(blob, "FILE"); };
  CHECK_THROWS_WITH(make(""), Catch::Contains("FILE: got a trie of 0 bytes"));
  CHECK_THROWS_WITH(make(std::string("\xff\xff\xff\xff....", 8)),
                    Catch::Contains("expected a trie within the data"));
  const std::string whole = compile({{"a", "x"}, {"ab", "y"}});
  CHECK_THROWS_WITH(make(whole + '\xff'), Catch::Contains("expected UTF-8"));
  // Units that point anywhere: no rule, or some rule, but no read outside.
  for (size_t at = 4; at < 4 + 4 * 700; at += 4) {
    std::string broken = whole;
    std::memset(broken.data() + at, 0xFD, 4);
    const Charsmap rules(broken, "FILE");
    for (const char* text : {"a", "ab", "abc", "\u00e9"}) {
      if (const auto found = rules.find(text)) CHECK(found->size() < 3);
    }
  }
}
