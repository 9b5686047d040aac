// TOML: what is written reads back equal; mistakes are named with file, line and column; hostile
// nesting is refused.
#include <cmath>

#include "core/base/error.h"
#include "core/base/toml.h"
#include "tests/catch.h"

using namespace rmkv;
using Catch::Matchers::Contains;
using Catch::Matchers::StartsWith;

TEST_CASE("a tree survives writing and reading") {
  Table table = {
      {"integer", int64_t{-9223372036854775807}},
      {"whole", 1.0},
      {"tiny", 5e-324},
      {"third", 1.0 / 3.0},
      {"infinite", -INFINITY},
      {"yes", true},
      {"text", "quote \" backslash \\ tab \t line\n bell \x07 ü \xF0\x9F\x98\x80 del \x7f"},
      {"empty", List{}},
      {"mixed", List{1, 2.5, "x", List{List{}}, Table{{"a", 1}, {"b c", Table{}}}}},
      {"", "empty key"},
      {"a.b", "dot in a key"},
      {"nested", Table{{"deep", Table{{"x", 1}}}, {"none", Table{}}, {"plain", 2}}},
      {"only", Table{{"tables", Table{{"x", 1}}}}},
  };
  Table back = parse_toml(write_toml(table), "memory");
  CHECK(back == table);
  CHECK(write_toml(back) == write_toml(table));
}

TEST_CASE("nil values are left out of TOML, in lists they are an error") {
  CHECK(write_toml({{"a", Value()}, {"b", 1}}) == "b = 1\n");
  CHECK_THROWS_WITH(write_toml({{"a", List{Value()}}}), Contains("nil"));
  CHECK_THROWS_WITH(write_toml({{"a", "\xff"}}), Contains("UTF-8"));
  CHECK_THROWS_WITH(write_toml({{"a", "\xed\xa0\x80"}}), Contains("UTF-8"));  // a surrogate
  CHECK_THROWS_WITH(write_toml({{"a", "\xc3"}}), Contains("UTF-8"));          // cut short
}

TEST_CASE("plain values come before tables and keys are sorted") {
  CHECK(write_toml({{"z", 1}, {"a", Table{{"y", 2}, {"b", 0.5}}}}) ==
        "z = 1\n\n[a]\nb = 0.5\ny = 2\n");
}

TEST_CASE("syntax errors name file, line and column") {
  CHECK_THROWS_WITH(parse_toml("a = 1\nb = = 2\n", "run.toml"), StartsWith("run.toml:2:5: "));
  CHECK_THROWS_WITH(parse_toml("a = 1\na = 2\n", "run.toml"), StartsWith("run.toml:2:"));
  CHECK_THROWS_WITH(parse_toml("x = [1,\n", "run.toml"), StartsWith("run.toml:"));
  CHECK_THROWS_WITH(parse_toml("day = 2026-01-31\n", "run.toml"),
                    StartsWith("run.toml:1:7: ") && Contains("quotation marks"));
  CHECK_THROWS_WITH(read_toml("/nonexistent/run.toml"), Contains("No such file"));
}

TEST_CASE("what breaks toml++'s own assertions is refused by its line") {
  CHECK_THROWS_WITH(parse_toml("[=", "x.toml"), StartsWith("x.toml:1: not valid"));
  CHECK_THROWS_WITH(parse_toml("a = 1\n# b\nh = [[}-inf]\nc = 2\n", "x.toml"),
                    StartsWith("x.toml:3"));
  CHECK_THROWS_WITH(parse_toml("a = 1\na\u0361 = 2\n", "x.toml"), StartsWith("x.toml:2"));
  CHECK_THROWS_WITH(parse_toml("t = \"\"\"\n\n\"\"\"\n[[=\n", "x.toml"), StartsWith("x.toml:4"));
}

TEST_CASE("hostile nesting and size are refused, not run into") {
  std::string lists(100000, '[');
  CHECK_THROWS_AS(parse_toml("a = " + lists, "x.toml"), Error);
  std::string key = "a";
  for (int i = 0; i < 200000; ++i) key += ".a";
  CHECK_THROWS_WITH(parse_toml(key + " = 1\n", "x.toml"),
                    StartsWith("x.toml:1: ") && Contains("32 parts"));
  CHECK_THROWS_WITH(parse_toml("\n[" + key + "]\n", "x.toml"), StartsWith("x.toml:2: "));
  CHECK_THROWS_WITH(parse_toml("a = {" + key + " = 1}\n", "x.toml"), Contains("32 parts"));
  CHECK_THROWS_WITH(parse_toml(std::string((16 << 20) + 1, '\n'), "x.toml"), Contains("16 MiB"));
}

TEST_CASE("dots in strings, comments and numbers are no key parts") {
  std::string dots(500, '.');
  Table table = parse_toml("a = \"" + dots + "\" # " + dots + "\nb = '''\n" + dots + "\n" + dots +
                               "'''\nc = [" + "1.5, 2.5, 3.5]\nd = \"\\\"" + dots + "\"\n",
                           "x.toml");
  CHECK(table.at("a").as_string() == dots);
  CHECK(table.at("b").as_string() == dots + "\n" + dots);
  CHECK(table.at("c").as_list().size() == 3);
}
