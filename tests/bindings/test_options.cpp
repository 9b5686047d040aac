// Options of recipes: numbers, lists, tables, files, errors.
#include "bindings/options.h"

#include "core/base/error.h"
#include "core/base/file.h"
#include "tests/catch.h"
#include "tests/temporary_folder.h"

using namespace rmkv;
using namespace rmkv::lua;

namespace {

OptionSet sample() {
  OptionSet set;
  set.add(
      {.name = "lr", .type = OptionType::kNumber, .fallback = Value(0.5), .low = 0, .high = 10});
  set.add({.name = "data", .type = OptionType::kList, .fallback = List{Value("a")}});
  set.add({.name = "fast", .type = OptionType::kBoolean, .fallback = Value(false)});
  set.add({.name = "model", .type = OptionType::kTable, .fallback = Table{}});
  set.add({.name = "word", .type = OptionType::kString, .positional = 1});
  return set;
}

std::string error_of(OptionSet set, const std::vector<std::string>& words) {
  try {
    set.parse(words);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

bool holds(const std::string& text, const std::string& piece) {
  return text.find(piece) != std::string::npos;
}

}  // namespace

TEST_CASE("number forms of the command line") {
  double x = 0;
  for (auto [word, expected] : {std::pair{"12e6", 12e6},
                                {"1_000", 1000.0},
                                {"30k", 30e3},
                                {"4M", 4e6},
                                {"1.5G", 1.5e9},
                                {"-2", -2.0}}) {
    INFO(word);
    REQUIRE(parse_number(word, x));
    CHECK(x == expected);
  }
  for (const char* word : {"", "k", "12x", "nan", "inf", "0x10", "1e999", "1 2"}) {
    INFO(word);
    CHECK_FALSE(parse_number(word, x));
  }
}

TEST_CASE("later words win, lists replace their default once") {
  OptionSet set = sample();
  set.parse({"--lr", "1", "--lr=2", "--data", "x", "--data=y", "--fast", "hello", "--set",
             "model.a.b=3"});
  CHECK(set.values().at("lr") == Value(2));
  CHECK(set.values().at("data") == Value(List{Value("x"), Value("y")}));
  CHECK(set.values().at("fast") == Value(true));
  CHECK(set.values().at("word") == Value("hello"));
  CHECK(set.values().at("model") == Value(Table{{"a", Table{{"b", 3}}}}));
  CHECK(set.given().count("fast") == 1);
}

TEST_CASE("defaults stay and are not given") {
  OptionSet set = sample();
  set.parse({});
  CHECK(set.values().at("lr") == Value(0.5));
  CHECK(set.values().count("word") == 0);
  CHECK(set.given().empty());
}

TEST_CASE("a file fills what the command line leaves open, wherever --config stands") {
  TemporaryFolder folder;
  std::string path = folder / "c.toml";
  write_file_atomic(path, "lr = 3\nfast = true\n");
  OptionSet set = sample();
  set.parse({"--lr", "4", "--config", path});
  CHECK(set.values().at("lr") == Value(4));
  CHECK(set.values().at("fast") == Value(true));
}

TEST_CASE("slips are named") {
  CHECK(holds(error_of(sample(), {"--lrr", "1"}), "did you mean --lr?"));
  CHECK(holds(error_of(sample(), {"--lr", "11"}), "0 .. 10"));
  CHECK(holds(error_of(sample(), {"--lr", "x"}), "'x'"));
  CHECK(holds(error_of(sample(), {"--lr"}), "nothing"));
  CHECK(holds(error_of(sample(), {"a", "b"}), "'b'"));
  CHECK(holds(error_of(sample(), {"--set", "lr.x=1"}), "lr"));
  CHECK(holds(error_of(sample(), {"--set", "nonsense"}), "name.key=value"));
  CHECK(holds(error_of(sample(), {"--model", "x"}), "--set model.key"));
  OptionSet required;
  required.add({.name = "path", .type = OptionType::kString, .help = "a folder", .required = true});
  CHECK(holds(error_of(required, {}), "--path"));
}

TEST_CASE("help lines keep to the width") {
  OptionSet set = sample();
  set.add(
      {.name = "long",
       .type = OptionType::kString,
       .help =
           "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy"});
  std::string text = set.help_text("recipe.lua", "Title.", 70);
  CHECK(holds(text, "--data"));
  size_t start = 0;
  while (start < text.size()) {
    size_t end = text.find('\n', start);
    CHECK(end - start <= 70);
    start = end + 1;
  }
}

TEST_CASE("what is chosen by its place is named without dashes, what is on by how it goes off") {
  OptionSet set;
  set.add({.name = "command",
           .type = OptionType::kString,
           .choices = {"train", "encode"},
           .positional = 1,
           .required = true});
  set.add({.name = "store", .type = OptionType::kBoolean, .fallback = Value(true)});
  CHECK(holds(error_of(set, {}), "command: got nothing, expected one of train, encode"));
  CHECK(error_of(set, {"tarin"}).rfind("command: unknown choice 'tarin'", 0) == 0);
  CHECK(holds(set.help_text("x", "", 80), "--[no-]store"));
}
