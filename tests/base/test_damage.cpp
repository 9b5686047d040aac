// Damaged JSON and TOML texts are refused by name or read, nothing else.
#include "core/base/json.h"
#include "core/base/toml.h"
#include "tests/damage.h"

using namespace rmkv;
using rmkv::test::try_damage;

namespace {

const Table kTable = {{"text", "caf\xC3\xA9 \"x\"\n"},
                      {"number", 0.1},
                      {"list", List{1, List{}, Table{{"a", true}}}},
                      {"table", Table{{"deep", Table{{"x.y", -5}}}}}};

}  // namespace

TEST_CASE("damaged JSON texts", "[damage]") {
  const auto counts = try_damage(write_json(kTable, 1), "t.json", 4000,
                                 [](const std::string& s) { parse_json(s, "t.json"); });
  CHECK(counts.refused > 2000);
}

TEST_CASE("damaged TOML texts", "[damage]") {
  const auto counts = try_damage(write_toml(kTable), "t.toml", 4000,
                                 [](const std::string& s) { parse_toml(s, "t.toml"); });
  CHECK(counts.refused > 1000);
}
