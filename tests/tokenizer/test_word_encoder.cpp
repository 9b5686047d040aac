// What encoders remember, what threads share and where a text is cut never changes the ids.
#include "tokenizer/word_encoder.h"

#include <algorithm>
#include <atomic>
#include <thread>

#include "tests/catch.h"
#include "tests/tokenizer/random_text.h"
#include "tokenizer/bpe_trainer.h"
#include "tokenizer/pipeline_tokenizer.h"

using namespace rmkv;

namespace {

using Ids = std::vector<int32_t>;

std::string mixed_text(RandomStream& random, size_t size) {
  std::string text;
  while (text.size() < size) text += random_text(random, true) + " and so on";
  return text;
}

TokenizerPtr trained(RandomStream& random) {
  BpeTrainer trainer({.vocab_size = 600, .pattern = SplitPattern::kGpt2});
  trainer.add_document(mixed_text(random, 200000));
  return trainer.train();
}

}  // namespace

TEST_CASE("an encoder gives the model's tokens, whatever it remembers") {
  const uint64_t seed = 21;
  INFO("seed " << seed);
  RandomStream random(seed, "word encoder");
  const TokenizerPtr tokenizer = trained(random);
  const WordModel& model = dynamic_cast<const PipelineTokenizer&>(*tokenizer).model();
  // More different words than the caches hold: they grow, displace, and start over.
  std::string text;
  std::vector<size_t> ends;
  for (int i = 0; i < 350000; ++i) {
    const size_t size = random.below(12) == 0 ? 16 + random.below(260) : 1 + random.below(15);
    for (size_t j = 0; j < size; ++j) text += static_cast<char>('a' + random.below(6));
    ends.push_back(text.size());
  }
  std::vector<std::string_view> words;
  for (size_t i = 0, begin = 0; i < ends.size(); begin = ends[i++]) {
    words.push_back(std::string_view(text).substr(begin, ends[i] - begin));
    // Often one from before, recent or not.
    if (random.below(3) == 0) words.push_back(words[random.below(words.size())]);
    if (random.below(3) == 0)
      words.push_back(words[words.size() - 1 - random.below(std::min<size_t>(words.size(), 50))]);
  }
  Ids expected;
  WordScratch scratch;
  for (const std::string_view word : words) {
    model.encode_word(word, scratch);
    expected.insert(expected.end(), scratch.merge.ids.begin(), scratch.merge.ids.end());
  }
  WordCache cache;
  for (int i = 0; i < 2; ++i) {
    WordEncoder encoder(cache);
    Ids ids;
    encoder.encode(model, words, text.data() + text.size(), ids);
    REQUIRE((ids == expected));
  }
}

TEST_CASE("a text has the same ids in several threads, wherever it begins and ends") {
  const uint64_t seed = 22;
  INFO("seed " << seed);
  RandomStream random(seed, "threads");
  const TokenizerPtr tokenizer = trained(random);
  const std::string text = mixed_text(random, 1100000);
  for (size_t cut = 0; cut < 24; ++cut) {
    const std::string_view part = std::string_view(text).substr(cut, text.size() - 3 * cut);
    Ids expected;
    // By a tokenizer that has seen nothing.
    parse_tokenizer_json(tokenizer->to_json(), "again")->encode_to(part, {}, expected);
    for (int threads = 1; threads <= 4; ++threads) {
      Ids ids;
      tokenizer->encode_to(part, {.threads = threads}, ids);
      REQUIRE((ids == expected));
    }
  }
}

TEST_CASE("a long text is cut where neither a word nor an added token stands") {
  const uint64_t seed = 23;
  INFO("seed " << seed);
  RandomStream random(seed, "parts");
  std::string json = trained(random)->to_json();
  const auto replace = [&](const std::string& from, const std::string& to) {
    const size_t at = json.find(from);
    REQUIRE(at != std::string::npos);
    return std::string(json).replace(at, from.size(), to);
  };
  // Tokens where texts like to be cut, of every kind.
  const auto token = [](int id, const char* content, const char* what) {
    return R"({"id": )" + std::to_string(id) + R"(, "content": ")" + content +
           R"(", "special": false, )" + what + "}, ";
  };
  const std::string added = token(600, "d s", R"("normalized": false)") +
                            token(601, "so o", R"("normalized": true)") +
                            token(602, " an", R"("normalized": false, "lstrip": true)") +
                            token(603, "on", R"("normalized": false, "rstrip": true)") +
                            token(604, "nd", R"("normalized": false, "single_word": true)");
  json = replace(R"("added_tokens": [)", R"("added_tokens": [)" + added);
  // Few blanks stand where no token does.
  std::string text;
  while (text.size() < 1200000) {
    text += random_text(random, false) + " and so on";
    if (random.below(9) == 0) text += "a b";
  }
  const std::string nothing =
      R"({"type": "Replace", "pattern": {"String": "not in it"}, "content": "#"})";
  for (const std::string form : {"null", R"({"type": "NFC"})", R"({"type": "Lowercase"})"}) {
    const auto with = [&](const std::string& normalizer) {
      return parse_tokenizer_json(
          replace(R"("normalizer": null)", R"("normalizer": )" + normalizer), "FILE");
    };
    const TokenizerPtr tokenizer = with(form);
    // A replacement cannot be done by parts, so this one takes the text as a whole.
    const TokenizerPtr whole = with(form == "null" ? nothing
                                                   : R"({"type": "Sequence", "normalizers": [)" +
                                                         form + ", " + nothing + "]}");
    const Ids expected = whole->encode(text);
    CHECK(std::count_if(expected.begin(), expected.end(), [](int32_t id) { return id >= 600; }) >
          1000);
    for (const int threads : {1, 3}) {
      Ids ids;
      tokenizer->encode_to(text, {.threads = threads}, ids);
      REQUIRE((ids == expected));
    }
  }
}

TEST_CASE("threads find in the cache what any of them has entered") {
  WordCache cache;
  // Every word's tokens follow from the word; there are more words than room.
  const auto key_of = [](uint64_t i) { return WordKey::pack(std::to_string(i * 7919), false); };
  const auto ids_of = [](uint64_t i) { return Ids(1 + i % 5, static_cast<int32_t>(i)); };
  std::vector<std::jthread> threads;
  std::atomic<int> wrong{0}, found{0};
  for (int thread = 0; thread < 3; ++thread) {
    threads.emplace_back([&] {
      std::shared_ptr<const WordTable> table = cache.table();
      for (uint64_t i = 0; i < 300000; ++i) {
        if (i % 64 == 0 && !cache.is_current(table.get())) table = cache.table();
        const WordKey key = key_of(i);
        const WordTable::Entry* entry = table->find(key, key.hash());
        if (entry == nullptr) entry = table->find_next_door(key, key.hash());
        if (entry == nullptr) {
          cache.insert(key, key.hash(), ids_of(i));
          continue;
        }
        const std::span<const int32_t> ids = table->ids(*entry);
        ++(Ids(ids.begin(), ids.end()) == ids_of(i) ? found : wrong);
      }
    });
  }
  threads.clear();
  CHECK(wrong == 0);
  CHECK(found > 0);
  const WordKey absent = WordKey::pack("absent", false);
  CHECK(cache.table()->find(absent, absent.hash()) == nullptr);
}
