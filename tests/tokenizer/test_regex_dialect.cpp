// Expressions of Oniguruma in PCRE2's dialect.
#include "tests/catch.h"
#include "tokenizer/regex_dialect.h"

using namespace rmkv;

TEST_CASE("what the two libraries read differently is translated") {
  const auto translated = [](std::string_view regex) { return pcre2_expression(regex, "FILE"); };
  CHECK(translated("[^(a|[bc])]+x") == "[^(a|bc)]+x");
  CHECK(translated("[[:alpha:]-]") == "[[:alpha:]-]");
  CHECK(translated("[]a]") == "[]a]");
  CHECK(translated("[^]a]b]") == "[^]a]b]");
  CHECK(translated("\\h+[\\h_]\\H") == "[0-9a-fA-F]+[0-9a-fA-F_][^0-9a-fA-F]");
  CHECK(translated("a{1,3}+b{2,}+c{2,3}+") == "a{1,}b{2,}c{2,}");
  CHECK(translated("a{1,3}b{2}?") == "a{1,3}b{2}?");
  CHECK(translated("\\x{41}+\\[[\\]a]") == "\\x{41}+\\[[\\]a]");
  CHECK(translated("\\s").find("\\x{2028}") != std::string::npos);
}

TEST_CASE("and refused where it has no like") {
  for (const char* regex :
       {"[a[^b]]", "[a&&b]", "[a-[b]]", "[[b]-c]", "[\\H]", "a{3}+", "[[:alpha]"}) {
    INFO(regex);
    CHECK_THROWS_WITH(pcre2_expression(regex, "FILE"), Catch::Contains("FILE: got pattern"));
  }
}
