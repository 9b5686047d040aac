// Added tokens in text; expected cuts are those of Hugging Face tokenizers 0.23.3.
#include "tests/catch.h"
#include "tokenizer/added_tokens.h"

using namespace rmkv;

namespace {

// The pieces, added tokens in brackets.
std::string cut(const std::vector<AddedToken>& tokens, std::string_view text,
                bool parse_special = true) {
  const AddedTokens added(tokens);
  std::vector<TextPiece> pieces;
  added.cut(text, parse_special, pieces);
  std::string out;
  for (const TextPiece& piece : pieces) {
    const std::string content(piece.text);
    out += piece.id >= 0 ? "[" + content + "]" : content + "|";
  }
  return out;
}

}  // namespace

TEST_CASE("the longest added token at the leftmost place wins") {
  const std::vector<AddedToken> tokens = {{.id = 0, .content = "<m>"},
                                          {.id = 1, .content = "<mm>"},
                                          {.id = 2, .content = "<mm>x"},
                                          {.id = 3, .content = "mm"}};
  CHECK(cut(tokens, "") == "");
  CHECK(cut(tokens, "plain") == "plain|");
  CHECK(cut(tokens, "<mm>x<m") == "[<mm>x]<m|");
  CHECK(cut(tokens, "a<mm><m>b<") == "a|[<mm>][<m>]b<|");
  CHECK(cut(tokens, "mmm") == "[mm]m|");
  CHECK(cut({}, "<mm>") == "<mm>|");
}

TEST_CASE("special tokens in strangers' text are text") {
  const std::vector<AddedToken> tokens = {{.id = 0, .content = "<end>"},
                                          {.id = 1, .content = "<x>", .special = false}};
  CHECK(cut(tokens, "a<end><x>") == "a|[<end>][<x>]");
  CHECK(cut(tokens, "a<end><x>", false) == "a<end>|[<x>]");
}

TEST_CASE("single words, stripped blanks and the second pass are as in Hugging Face") {
  const std::vector<AddedToken> tokens = {
      {.id = 0, .content = "ab", .single_word = true, .special = false},
      {.id = 1, .content = "<m>", .lstrip = true, .rstrip = true, .special = false},
      {.id = 2, .content = "abc", .normalized = true, .special = false}};
  CHECK(cut(tokens, "xab ab") == "xab |[ab]");
  CHECK(cut(tokens, "ab_ ab!") == "ab_ |[ab]!|");
  CHECK(cut(tokens, "a <m>  b") == "a|[ <m>  ]b|");
  CHECK(cut(tokens, "  <m><m> ") == "[  <m>][<m> ]");
  CHECK(cut(tokens, "abcd") == "[abc]d|");
  CHECK(cut(tokens, "ab abc abcab") == "[ab] |[abc] |[abc]ab|");
  CHECK(cut(tokens, "\u00E9<m>\u3000\u00E9") == "\u00E9|[<m>\u3000]\u00E9|");
}

TEST_CASE("a text may be cut where no added token stands or ends") {
  const AddedToken short_one{.id = 0, .content = "ab"}, long_one{.id = 1, .content = "abcab"};
  const AddedTokenFinder finder({&short_one, &long_one});
  const std::string_view text = "xxabcabxxab";
  std::string touched;
  for (size_t at = 0; at <= text.size(); ++at) touched += finder.touches(text, at) ? '1' : '0';
  CHECK(touched == "001111110111");
  CHECK_FALSE(AddedTokenFinder({}).touches(text, 3));
}
