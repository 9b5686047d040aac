// What an encoder remembers, and what its threads share, never changes the ids.
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
  SharedWords shared;
  for (const bool shares : {false, true, true}) {
    WordEncoder encoder;
    if (shares) encoder.share(&shared);
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

TEST_CASE("threads find in the shared table what any of them has entered") {
  SharedWords shared;
  // Every word's tokens follow from the word; there are more words than room.
  const auto key_of = [](uint64_t i) { return WordKey::pack(std::to_string(i * 7919), false); };
  const auto ids_of = [](uint64_t i) {
    return Ids(1 + i % SharedWords::kMaxIds, static_cast<int32_t>(i));
  };
  std::vector<std::jthread> threads;
  std::atomic<int> wrong{0}, found{0};
  for (int thread = 0; thread < 3; ++thread) {
    threads.emplace_back([&] {
      for (uint64_t i = 0; i < 200000; ++i) {
        const WordKey key = key_of(i);
        int32_t ids[SharedWords::kMaxIds];
        const uint32_t count = shared.find(key, key.hash(), ids);
        const Ids expected = ids_of(i);
        if (count == 0) {
          shared.insert(key, key.hash(), expected);
        } else if (Ids(ids, ids + count) != expected) {
          ++wrong;
        } else {
          ++found;
        }
      }
    });
  }
  threads.clear();
  CHECK(wrong == 0);
  CHECK(found > 0);
  int32_t ids[SharedWords::kMaxIds];
  CHECK(shared.find(key_of(0), key_of(0).hash(), ids) == 1);
  const WordKey absent = WordKey::pack("absent", false);
  CHECK(shared.find(absent, absent.hash(), ids) == 0);
}
