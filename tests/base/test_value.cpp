// The data tree, closed options and error texts.
#include "core/base/error.h"
#include "core/base/option_reader.h"
#include "tests/catch.h"

using namespace rmkv;
using Catch::Matchers::Contains;

TEST_CASE("typed access takes what is the same number and refuses the rest") {
  CHECK(Value(3.0).as_int() == 3);
  CHECK(Value(3).as_double() == 3.0);
  CHECK_THROWS_WITH(Value(3.5).as_int(), "value: got number 3.5, expected an integer");
  CHECK_THROWS_AS(Value("3").as_int(), Error);
  CHECK_THROWS_AS(Value(1e300).as_int(), Error);
  CHECK_THROWS_AS(Value().as_table(), Error);
  CHECK(Value(List{1, "a", Table{{"x", true}}}).to_text() == "[1, \"a\", {x = true}]");
  // Shortest digits that read back: 17 of them would show 0.99950000000000006.
  CHECK(Value(0.9995).to_text() == "0.9995");
  CHECK(Value(1e-9).to_text() == "1e-09");
}

TEST_CASE("options are read with type and range, and unknown keys name the nearest") {
  Table table = {{"lr", 0.5}, {"steps", 3.0}, {"name", "b"}, {"sizes", List{1, 2}}, {"on", true}};
  OptionReader reader(table, "test");
  double lr = 0;
  int64_t steps = 0, absent = 7;
  std::string name;
  std::vector<int64_t> sizes;
  bool on = false;
  CHECK(reader.read("lr", lr, 0.0, 1.0));
  CHECK(reader.read("steps", steps, 0, 10));
  CHECK(reader.read("name", name, {"a", "b"}));
  CHECK(reader.read("sizes", sizes));
  CHECK(reader.read("on", on));
  CHECK_FALSE(reader.read("absent", absent));
  CHECK((lr == 0.5 && steps == 3 && name == "b" && sizes == std::vector<int64_t>{1, 2} && on &&
         absent == 7));
  CHECK_NOTHROW(reader.finish());
  CHECK_THROWS_WITH(reader.read("lr", lr, 0.0, 0.1),
                    Contains("test.lr: got 0.5, expected 0 .. 0.1"));
  CHECK_THROWS_WITH(reader.read("name", name, {"aa", "bb"}), Contains("unknown choice 'b'"));
  CHECK_THROWS_WITH(reader.read("name", steps), Contains("test.name: got string \"b\""));

  Table wrong = {{"weight_deacy", 1}};
  OptionReader closed(wrong, "test");
  closed.read("weight_decay", lr);
  CHECK_THROWS_WITH(closed.finish(), Contains("'weight_deacy'; did you mean 'weight_decay'?"));
}

TEST_CASE("a NaN option is out of every range") {
  Table table = {{"x", std::numeric_limits<double>::quiet_NaN()}};
  OptionReader reader(table, "test");
  double x = 0;
  CHECK_THROWS_AS(reader.read("x", x, 0.0, 1.0), Error);
}

TEST_CASE("the nearest name is a likely slip or nothing") {
  CHECK(nearest_name("lr_scael", {"lr_scale", "frozen"}) == "lr_scale");
  CHECK(nearest_name("zzz", {"lr_scale", "frozen"}).empty());
}

TEST_CASE("long lists of names are cut, and left out where the nearest says it", "[error]") {
  CHECK(unknown_name_text("key", "x", {"alpha", "beta"}) == "unknown key 'x' (valid: alpha, beta)");
  std::vector<std::string> names;
  for (int i = 100; i < 150; ++i) names.push_back("name_" + std::to_string(i));
  CHECK(unknown_name_text("key", "name_1O3", names) ==
        "unknown key 'name_1O3'; did you mean 'name_103'?");
  const std::string text = unknown_name_text("key", "x", names);
  CHECK_THAT(text, Contains("(valid: name_100, name_101") && Contains("name_139, and 10 more)"));
}
