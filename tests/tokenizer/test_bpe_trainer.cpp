// The trainer against Hugging Face's merges and against the reference of Stanford CS336.
#include <algorithm>

#include "core/base/file.h"
#include "core/base/random.h"
#include "tests/catch.h"
#include "tests/shared_data.h"
#include "tokenizer/bpe_model.h"
#include "tokenizer/bpe_trainer.h"
#include "tokenizer/byte_level.h"
#include "tokenizer/pipeline_tokenizer.h"

using namespace rmkv;

namespace {

TokenizerPtr train(BpeTrainerOptions options, const std::vector<std::string>& documents) {
  BpeTrainer trainer(std::move(options));
  for (const std::string& document : documents) trainer.add_document(document);
  return trainer.train();
}

// "left right" for each merge, as spelled.
std::vector<std::string> merge_texts(const TokenizerPtr& tokenizer) {
  const BpeSpec& spec =
      dynamic_cast<const BpeModel&>(dynamic_cast<const PipelineTokenizer&>(*tokenizer).model())
          .spec();
  std::vector<std::string> texts;
  for (const auto& [left, right] : spec.merges) {
    texts.push_back(spec.entries[left] + " " + spec.entries[right]);
  }
  return texts;
}

const std::vector<std::string> kDocuments = {"the cat sat on the mat. The cat's mat!",
                                             "a cat, the mat and 1234 cats\n\nthat sat",
                                             "aaaa aaa \u65E5\u672C\u65E5\u672C"};

}  // namespace

TEST_CASE("the merges are those of Hugging Face") {
  // tokenizers 0.23.3: BpeTrainer(vocab_size=286, min_frequency=2), Split(llama3 pattern) +
  // ByteLevel, on the same documents.
  const TokenizerPtr tokenizer = train({.vocab_size = 286}, kDocuments);
  CHECK(merge_texts(tokenizer) ==
        std::vector<std::string>{
            "a t", "a a", "c at", "h e", "\u0120 cat", "m at", "t he", "\u0120 mat", "s at",
            "\u00A5 \u00E6", "\u00E6 \u0139", "\u0120 the", "\u0120 sat", "\u013E \u00AC",
            "\u00A5\u00E6 \u013E\u00AC", "\u00E6\u0139 \u00A5\u00E6\u013E\u00AC"});
  CHECK(tokenizer->vocab_size() == 278);
  CHECK(tokenizer->encode("the cats sat<end> \u65E5 a\n") ==
        std::vector<int32_t>{268, 266, 88, 274, 3, 226, 272, 104, 226, 70, 204});
  for (int32_t id = 0; id < 6; ++id) {
    CHECK(tokenizer->token_bytes(id) == kSpecialTokens[id]);
    CHECK(tokenizer->is_special(id));
  }
  CHECK(tokenizer->token_bytes(6) == "!");
  CHECK_FALSE(tokenizer->is_special(6));
}

TEST_CASE("a merge that spells a special token takes its id") {
  // tokenizers 0.23.3 on the same documents, GPT-2 split, vocab_size=266, min_frequency=1.
  const TokenizerPtr tokenizer = train({.vocab_size = 266,
                                        .min_frequency = 1,
                                        .pattern = SplitPattern::kGpt2,
                                        .special_tokens = {"ab", "bc"}},
                                       {"abc abc abcab aaaaab bcbc", "cab cab aaa"});
  CHECK(merge_texts(tokenizer) == std::vector<std::string>{"a b", "a a", "ab c", "b c", "c ab",
                                                           "\u0120 aa", "\u0120 abc", "bc bc",
                                                           "\u0120 cab", "\u0120 bcbc"});
  CHECK(tokenizer->vocab_size() == 266);
  CHECK(tokenizer->token_id("aa") == 258);
  CHECK(tokenizer->token_id("abc") == 259);
}

TEST_CASE("the tie rule of CS336 gives its reference merges") {
  const std::string corpus = shared_data("tokenizer/cs336/corpus.en");
  if (corpus.empty()) {
    WARN("SKIPPED: tokenizer/cs336/corpus.en is not there");
    return;
  }
  const TokenizerPtr tokenizer = train({.vocab_size = 500,
                                        .min_frequency = 1,
                                        .pattern = SplitPattern::kGpt2,
                                        .tie_rule = BpeTieRule::kGreatestBytes,
                                        .special_tokens = {"<|endoftext|>"}},
                                       {read_file(corpus)});
  std::string expected = read_file(shared_data("tokenizer/cs336/train-bpe-reference-merges.txt"));
  std::string found;
  for (const std::string& merge : merge_texts(tokenizer)) found += merge + "\n";
  if (expected.back() != '\n') expected += '\n';
  CHECK(found == expected);
  CHECK(std::count(expected.begin(), expected.end(), '\n') == 243);
}

TEST_CASE("neither threads nor the grouping of documents change the result") {
  const uint64_t seed = 4;
  INFO("seed " << seed);
  RandomStream random(seed, "bpe_trainer");
  std::vector<std::string> documents;
  std::string all;
  for (int i = 0; i < 300; ++i) {
    std::string document;
    for (uint64_t words = 1 + random.below(60); words > 0; --words) {
      for (uint64_t letters = 1 + random.below(7); letters > 0; --letters) {
        document += static_cast<char>('a' + random.below(random.below(8) + 1));
      }
      document += random.below(5) == 0 ? '\n' : ' ';
    }
    document += "end\n";
    documents.push_back(document);
    all += document;
  }
  // Over a megabyte, so that one document is cut for several threads.
  std::string large;
  while (large.size() < 3'000'000) large += all;
  const BpeTrainerOptions options{.vocab_size = 700};
  const std::string reference = train(options, {large})->to_json();
  for (const int threads : {2, 5}) {
    BpeTrainerOptions several = options;
    several.threads = threads;
    CHECK(train(several, {large})->to_json() == reference);
    std::vector<std::string> repeated;
    for (size_t i = 0; i < large.size() / all.size(); ++i) {
      repeated.insert(repeated.end(), documents.rbegin(), documents.rend());
    }
    CHECK(train(several, repeated)->to_json() == reference);
  }
}

TEST_CASE("training goes on with more documents") {
  BpeTrainer trainer({.vocab_size = 280});
  trainer.add_document(kDocuments[0]);
  CHECK(trainer.train()->to_json() == train({.vocab_size = 280}, {kDocuments[0]})->to_json());
  trainer.add_document(kDocuments[1]);
  CHECK(trainer.train()->to_json() ==
        train({.vocab_size = 280}, {kDocuments[0], kDocuments[1]})->to_json());
  CHECK(trainer.documents() == 2);
  CHECK(trainer.bytes() == kDocuments[0].size() + kDocuments[1].size());
}

TEST_CASE("a smaller vocabulary is the beginning of a larger one, and none is needed") {
  const auto small = merge_texts(train({.vocab_size = 270}, kDocuments));
  const auto large = merge_texts(train({.vocab_size = 280}, kDocuments));
  REQUIRE(small.size() == 8);
  CHECK(std::equal(small.begin(), small.end(), large.begin()));
  CHECK(train({.vocab_size = 1000, .min_frequency = 1000}, kDocuments)->vocab_size() == 262);
  CHECK(train({}, {})->vocab_size() == 262);
}

TEST_CASE("impossible training options are refused") {
  CHECK_THROWS_WITH(BpeTrainer({.vocab_size = 261}),
                    Catch::Contains("vocab_size: got 261, expected 262 to"));
  CHECK_THROWS_WITH(BpeTrainer({.min_frequency = -1}), Catch::Contains("min_frequency"));
  CHECK_THROWS_WITH(BpeTrainer({.threads = 0}), Catch::Contains("threads"));
  CHECK_THROWS_WITH(BpeTrainer({.special_tokens = {""}}), Catch::Contains("special_tokens"));
}
