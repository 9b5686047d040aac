// Stop strings over a stream cut at any places.
#include <random>

#include "core/base/error.h"
#include "core/sample/stop_text.h"
#include "tests/catch.h"

using namespace rmkv;

namespace {

struct Shown {
  std::string text;
  bool stopped;
};

Shown stream(const std::vector<std::string>& stops, const std::vector<std::string>& pieces) {
  StopText stop_text(stops);
  Shown shown{"", false};
  for (const std::string& piece : pieces) shown.text += stop_text.push(piece);
  shown.text += stop_text.flush();
  shown.stopped = stop_text.stopped();
  return shown;
}

}  // namespace

TEST_CASE("a stop string cuts the text wherever the pieces end", "[stop]") {
  CHECK(stream({"END"}, {"abcE", "N", "Dxyz"}).text == "abc");
  CHECK(stream({"END"}, {"abcE", "N"}).text == "abcEN");
  CHECK_FALSE(stream({"END"}, {"abcE", "N"}).stopped);
  CHECK(stream({"\n\n", "You:"}, {"hi\n", "You", ":x"}).text == "hi\n");
  CHECK(stream({"aab"}, {"a", "a", "a", "b"}).text == "a");
  CHECK(stream({}, {"abc"}).text == "abc");
  CHECK_THROWS_AS(StopText({""}), Error);
}

TEST_CASE("text is held back only while it may become a stop string", "[stop]") {
  StopText stop_text({"<end>"});
  CHECK(stop_text.push("hello <") == "hello ");
  CHECK(stop_text.push("b") == "<b");
  CHECK(stop_text.push("<en") == "");
  CHECK(stop_text.push("d>more") == "");
  CHECK(stop_text.stopped());
  CHECK(stop_text.push("more") == "");
  CHECK(stop_text.flush() == "");
}

TEST_CASE("any cutting into pieces shows the same text", "[stop]") {
  constexpr unsigned kSeed = 7;
  INFO("seed " << kSeed);
  std::mt19937 random(kSeed);
  for (int round = 0; round < 500; ++round) {
    std::string text;
    for (size_t i = random() % 30; i > 0; --i) text += "ab"[random() % 2];
    const std::vector<std::string> stops = {"aab", "abba", "bbbb"};
    size_t first = std::string::npos;
    for (const std::string& stop : stops) first = std::min(first, text.find(stop));
    std::vector<std::string> pieces;
    for (size_t at = 0; at < text.size();) {
      size_t size = 1 + random() % 5;
      pieces.push_back(text.substr(at, size));
      at += size;
    }
    CAPTURE(text);
    Shown shown = stream(stops, pieces);
    CHECK(shown.text == text.substr(0, first));
    CHECK(shown.stopped == (first != std::string::npos));
  }
}
