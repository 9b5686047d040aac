// The zip reader: stored entries, nothing else, no number believed.
#include "core/checkpoint/zip_reader.h"

#include "core/base/error.h"
#include "tests/catch.h"
#include "tests/checkpoint/pt_bytes.h"

using namespace rmkv;
using Catch::Matchers::Contains;

TEST_CASE("stored entries are read", "[zip]") {
  const std::string archive =
      stored_zip({{"a", "first"}, {"b/c", ""}, {"d", std::string(1000, 'x')}});
  const auto entries = read_stored_zip(archive, "t.zip");
  REQUIRE(entries.size() == 3);
  CHECK(entries.at("a") == "first");
  CHECK(entries.at("b/c").empty());
  CHECK(entries.at("d").size() == 1000);
  CHECK(read_stored_zip(stored_zip({}), "t.zip").empty());
}

TEST_CASE("what torch does not write is refused with the reason", "[zip]") {
  CHECK_THROWS_WITH(read_stored_zip(stored_zip({{"a", "x", 8}}), "t.zip"),
                    Contains("'a' is compressed"));
  CHECK_THROWS_WITH(read_stored_zip(stored_zip({{"a", "x"}, {"a", "y"}}), "t.zip"),
                    Contains("twice"));
  CHECK_THROWS_WITH(read_stored_zip("", "t.zip"), Contains("too short"));
  CHECK_THROWS_WITH(read_stored_zip(std::string(100, 'x'), "t.zip"), Contains("no end record"));
  std::string flipped = stored_zip({{"a", "hello"}});
  flipped[flipped.find("hello")] ^= 1;
  CHECK_THROWS_WITH(read_stored_zip(flipped, "t.zip"), Contains("CRC-32"));
  CHECK(read_stored_zip(flipped, "t.zip", false).at("a").size() == 5);
}

TEST_CASE("overlapping entries are refused", "[zip]") {
  std::string archive = stored_zip({{"a", "hello"}, {"b", "world"}});
  // The second entry of the directory is led to the first one's data.
  const size_t second = archive.rfind(little(0x02014b50, 4));
  archive.replace(second + 42, 4, little(0, 4));
  archive.replace(second + 16, 4, archive.substr(archive.find(little(0x02014b50, 4)) + 16, 4));
  CHECK_THROWS_WITH(read_stored_zip(archive, "t.zip"), Contains("overlap"));
}

TEST_CASE("an archive cut at any place, or with any number too large, is refused", "[zip]") {
  const std::string archive = stored_zip({{"a", "hello"}, {"b", "world"}});
  for (size_t size = 0; size < archive.size(); ++size) {
    CHECK_THROWS_AS(read_stored_zip(std::string_view(archive).substr(0, size), "t.zip"), Error);
  }
  const size_t entry = archive.find(little(0x02014b50, 4)),
               end = archive.find(little(0x06054b50, 4));
  const std::vector<std::pair<size_t, size_t>> fields = {
      {entry + 20, 4}, {entry + 24, 4}, {entry + 28, 2}, {entry + 30, 2},
      {entry + 32, 2}, {entry + 42, 4}, {end + 10, 2},   {end + 12, 4},
      {end + 16, 4},   {26, 2},         {28, 2}};
  for (const auto& [place, bytes] : fields) {
    std::string bad = archive;
    bad.replace(place, bytes, std::string(bytes, '\xff'));
    INFO("field at " << place);
    CHECK_THROWS_AS(read_stored_zip(bad, "t.zip"), Error);
  }
}
