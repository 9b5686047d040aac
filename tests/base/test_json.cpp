// JSON: what is written reads back; mistakes and hostile nesting are refused with the file's name.
#include <cmath>

#include "core/base/error.h"
#include "core/base/json.h"
#include "tests/catch.h"

using namespace rmkv;
using Catch::Matchers::Contains;
using Catch::Matchers::StartsWith;

TEST_CASE("a tree survives JSON") {
  Value value = Table{{"integer", int64_t{-9223372036854775807}},
                      {"double", 0.1},
                      {"whole", 1.0},
                      {"null", Value()},
                      {"flag", false},
                      {"text", "ü\n\"\\"},
                      {"list", List{1, List{}, Table{}}}};
  CHECK(parse_json(write_json(value), "memory") == value);
  CHECK(parse_json(write_json(value, 2), "memory") == value);
}

TEST_CASE("numbers keep their kind") {
  CHECK(parse_json("1", "x").is_int());
  CHECK_FALSE(parse_json("1.0", "x").is_int());
  CHECK(parse_json("9223372036854775807", "x").as_int() == INT64_MAX);
  CHECK(parse_json("18446744073709551615", "x").as_double() == 18446744073709551615.0);
}

TEST_CASE("what JSON cannot hold is written as the nearest thing") {
  CHECK(write_json(List{NAN, INFINITY}) == "[null,null]");
  CHECK(write_json("a\xff") == "\"a\xEF\xBF\xBD\"");
}

TEST_CASE("keys are written sorted, on one line unless indented") {
  CHECK(write_json(Table{{"b", 1}, {"a", List{}}, {"c", Table{}}}) ==
        "{\"a\":[],\"b\":1,\"c\":{}}");
  CHECK(write_json(Table{{"a", 1}}, 2) == "{\n  \"a\": 1\n}");
}

TEST_CASE("JSON mistakes name the file and the byte") {
  CHECK_THROWS_WITH(parse_json("{\"a\": 1,, }", "c.json"),
                    StartsWith("c.json: not valid JSON at byte 9"));
  for (const char* text :
       {"", "{", "[1", "nul", "1 2", "\"\xff\"", "{\"a\":1,\"a\":2}", "1e999", "\x01"}) {
    INFO(text);
    CHECK_THROWS_AS(parse_json(text, "c.json"), Error);
  }
}

TEST_CASE("hostile nesting is refused at 256") {
  auto nested = [](int depth) { return std::string(depth, '[') + std::string(depth, ']'); };
  CHECK_NOTHROW(parse_json(nested(256), "c.json"));
  CHECK_THROWS_WITH(parse_json(nested(257), "c.json"), Contains("nesting deeper than 256"));
  CHECK_THROWS_AS(parse_json(std::string(10 << 20, '['), "c.json"), Error);
  std::string objects;
  for (int i = 0; i < 100000; ++i) objects += "{\"a\":";
  CHECK_THROWS_AS(parse_json(objects, "c.json"), Error);
}
