// The World tokenizer: its file format, its greedy matches, its way through tokenizer.json.
#include <map>

#include "core/base/error.h"
#include "core/base/file.h"
#include "tests/catch.h"
#include "tests/shared_data.h"
#include "tests/tokenizer/random_text.h"
#include "tokenizer/byte_trie.h"
#include "tokenizer/greedy_match.h"
#include "tokenizer/world_tokenizer.h"

using namespace rmkv;

namespace {

using Ids = std::vector<int32_t>;

// All single bytes as ids 1 ... 256, in the notation of the published file.
std::string byte_lines() {
  std::string text;
  for (int byte = 0; byte < 256; ++byte) {
    char line[32];
    std::snprintf(line, sizeof(line), "%d %s'\\x%02x' 1\n", byte + 1, byte < 128 ? "" : "b", byte);
    text += line;
  }
  return text;
}

// The longest entry by trying all of them.
Ids naive_encode(const std::map<std::string, int32_t>& id_of, std::string_view text) {
  Ids ids;
  while (!text.empty()) {
    size_t size = std::min<size_t>(text.size(), 128);
    while (id_of.count(std::string(text.substr(0, size))) == 0) --size;
    ids.push_back(id_of.at(std::string(text.substr(0, size))));
    text.remove_prefix(size);
  }
  return ids;
}

}  // namespace

TEST_CASE("World files: literals of Python, both line ends") {
  const std::string more =
      "257 'ab' 2\n258 \"it's\" 4\n259 '\\u00e9\\n\\t\\\\' 5\n260 b'\\xe4\\xb8' 2\n"
      "261 '\xE4\xBB\x8A' 3\n263 ' x ' 3\n";
  std::string crlf;
  for (const char c : byte_lines() + more)
    crlf += c == '\n' ? std::string("\r\n") : std::string(1, c);
  for (const std::string& text : {byte_lines() + more, crlf}) {
    CHECK(looks_like_world(text));
    const TokenizerPtr world = parse_world(text, "FILE");
    CHECK(world->kind() == "world");
    CHECK(world->vocab_size() == 264);
    CHECK(world->encode("abc") == Ids{257, 'c' + 1});
    CHECK(world->encode("it's") == Ids{258});
    CHECK(world->encode("\xC3\xA9\n\t\\") == Ids{259});
    CHECK(world->encode("\xE4\xB8\xE4\xBB\x8A x ") == Ids{260, 261, 263});
    CHECK(world->encode("") == Ids{});
    CHECK(world->token_bytes(262).empty());
    CHECK(world->special("<|endoftext|>") == 0);
    CHECK(world->encode("<|endoftext|>").size() == 13);
    CHECK(world->decode(Ids{257, 0}, true) == "ab");
    const TokenizerPtr again = parse_tokenizer_json(world->to_json(), "again");
    CHECK(again->kind() == "world");
    CHECK(again->fingerprint() == world->fingerprint());
  }
}

TEST_CASE("World files: what is wrong is named with its line") {
  const auto error_of = [](const std::string& more) -> std::string {
    try {
      parse_world(byte_lines() + more, "FILE");
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  };
  CHECK(error_of("") == "");
  CHECK_THAT(error_of("257 'ab' 3\n"), Catch::Contains("FILE:257: got 2 bytes, expected 3"));
  CHECK_THAT(error_of("257 'ab 2\n"), Catch::Contains("FILE:257: got '257 'ab 2'"));
  CHECK_THAT(error_of("257 'a\\qb' 3\n"), Catch::Contains("FILE:257"));
  CHECK_THAT(error_of("257 '\\x4' 1\n"), Catch::Contains("FILE:257"));
  CHECK_THAT(error_of("257 b'\\u0041' 1\n"), Catch::Contains("FILE:257"));
  CHECK_THAT(error_of("257 '' 0\n"), Catch::Contains("an empty token"));
  CHECK_THAT(error_of("0 'ab' 2\n"), Catch::Contains("got id 0"));
  CHECK_THAT(error_of("4 'ab' 2\n"), Catch::Contains("id 4 again"));
  CHECK_THAT(error_of("999999999 'ab' 2\n"), Catch::Contains("got id 999999999"));
  CHECK_THAT(error_of("257 'a' 1\n"), Catch::Contains("ids 98 and 257 for the same bytes"));
  CHECK_THROWS_WITH(parse_world("1 'a' 1\n", "FILE"), Catch::Contains("no token for byte 0"));
  CHECK_FALSE(looks_like_world("{\"model\": 1}"));
  CHECK_FALSE(looks_like_world(""));
}

TEST_CASE("a trie finds the longest entry of random vocabularies") {
  const uint64_t seed = 77;
  INFO("seed " << seed);
  RandomStream random(seed, "trie");
  for (int round = 0; round < 30; ++round) {
    std::map<std::string, int32_t> id_of;
    for (int byte = 0; byte < 256; ++byte) id_of[std::string(1, static_cast<char>(byte))] = byte;
    const uint64_t letters = round % 3 == 0 ? 256 : 2 + random.below(4);
    const auto random_bytes = [&](uint64_t size) {
      std::string bytes;
      while (bytes.size() < size) bytes += static_cast<char>(random.below(letters));
      return bytes;
    };
    for (int i = 0; i < 2000; ++i) {
      id_of.emplace(random_bytes(1 + random.below(9)), static_cast<int32_t>(256 + i));
    }
    std::vector<std::pair<std::string_view, int32_t>> entries(id_of.begin(), id_of.end());
    const ByteTrie trie(entries);
    const std::string text = random_bytes(3000);
    Ids found;
    for (const char* p = text.data(); p < text.data() + text.size();) {
      const ByteTrie::Match match = trie.longest_prefix(p, text.data() + text.size());
      REQUIRE(match.size_bytes > 0);
      found.push_back(match.value);
      p += match.size_bytes;
    }
    CHECK(found == naive_encode(id_of, text));
  }
}

TEST_CASE("searches from several places at once find the keys of one search") {
  const uint64_t seed = 79;
  INFO("seed " << seed);
  RandomStream random(seed, "greedy");
  for (int round = 0; round < 4; ++round) {
    std::map<std::string, int32_t> id_of;
    for (int byte = 0; byte < 256; ++byte) id_of[std::string(1, static_cast<char>(byte))] = byte;
    const uint64_t letters = round == 3 ? 1 : 3 + 60 * static_cast<uint64_t>(round);
    const auto random_bytes = [&](uint64_t size) {
      std::string bytes;
      while (bytes.size() < size) bytes += static_cast<char>('A' + random.below(letters));
      return bytes;
    };
    for (int i = 0; i < 3000; ++i) id_of.emplace(random_bytes(1 + random.below(12)), 256 + i);
    // Longer than a lane, so that one search may run past another's end.
    if (round % 2 == 1) id_of.emplace(std::string(6000, 'A'), 9000);
    const ByteTrie trie({id_of.begin(), id_of.end()});
    for (const size_t size : {0, 1, 2, 50, 9000, 40000, 700000}) {
      std::string text = random_bytes(size);
      if (size > 20000) text.replace(10000, 6001, std::string(6001, 'A'));
      Ids expected;
      for (const char* p = text.data(); p < text.data() + text.size();) {
        const ByteTrie::Match match = trie.longest_prefix(p, text.data() + text.size());
        expected.push_back(match.value);
        p += match.size_bytes;
      }
      for (const int threads : {1, 3}) {
        Ids found;
        match_greedily(trie, text, threads, found);
        INFO("round " << round << ", " << size << " bytes, " << threads << " threads");
        REQUIRE((found == expected));  // without printing them
      }
    }
  }
}

TEST_CASE("a trie tells what it lacks") {
  const ByteTrie trie({{"ab", 1}, {"abcd", 2}, {"x", 3}});
  const auto match = [&](std::string_view text) {
    const ByteTrie::Match found = trie.longest_prefix(text.data(), text.data() + text.size());
    return std::make_pair(found.value, found.size_bytes);
  };
  CHECK(match("a") == std::make_pair(-1, 0u));
  CHECK(match("b") == std::make_pair(-1, 0u));
  CHECK(match("ac") == std::make_pair(-1, 0u));
  CHECK(match("ab") == std::make_pair(1, 2u));
  CHECK(match("abc") == std::make_pair(1, 2u));
  CHECK(match("abcde") == std::make_pair(2, 4u));
  CHECK(match("xab") == std::make_pair(3, 1u));
}

TEST_CASE("the published World vocabulary") {
  const std::string path = shared_data("tokenizer/rwkv_vocab_v20230424.txt");
  if (path.empty()) {
    WARN("SKIPPED: no data");
    return;
  }
  const TokenizerPtr world = load_tokenizer(path);
  CHECK(world->vocab_size() == 65530);
  // BlinkDL/ChatRWKV, tokenizer/rwkv_tokenizer.py with this vocabulary.
  const std::string today =
      "Today is a beautiful day. \u4ECA\u5929\u662F\u7F8E\u597D\u7684\u4E00\u5929\u3002";
  CHECK(world->encode(today) == Ids{33520, 4600, 332, 59219, 21509, 47, 33, 10381, 11639, 13091,
                                    15597, 11685, 14734, 10250, 11639, 10080});
  std::map<std::string, int32_t> id_of;
  for (int32_t id = 1; id < world->vocab_size(); ++id)
    id_of[std::string(world->token_bytes(id))] = id;
  const uint64_t seed = 78;
  INFO("seed " << seed);
  RandomStream random(seed, "world");
  for (int i = 0; i < 300; ++i) {
    const std::string text = random_text(random, i % 2 == 0);
    const Ids ids = world->encode(text);
    REQUIRE(ids == naive_encode(id_of, text));
    REQUIRE(world->decode(ids) == text);
  }
  CHECK(parse_tokenizer_json(world->to_json(), "again")->encode(today) == world->encode(today));
}
