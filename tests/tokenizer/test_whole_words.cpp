// Tokens that are whole, against merging each one's bytes.
#include <set>

#include "core/base/random.h"
#include "tests/catch.h"
#include "tests/shared_data.h"
#include "tokenizer/bpe_model.h"
#include "tokenizer/pipeline_tokenizer.h"
#include "tokenizer/whole_words.h"
#include "tokenizer/word_merger.h"

using namespace rmkv;

namespace {

std::vector<int32_t> merged(const MergeTable& table, const std::vector<int32_t>& symbols) {
  MergeScratch scratch;
  scratch.ids = symbols;
  merge_symbols(table, scratch);
  return scratch.ids;
}

}  // namespace

TEST_CASE("whole tokens are those that merging gives back") {
  const uint64_t seed = 11;
  INFO("seed " << seed);
  RandomStream random(seed, "whole words");
  int whole_count = 0, broken_count = 0;
  for (int round = 0; round < 3000; ++round) {
    const auto letters = static_cast<int32_t>(1 + random.below(3));
    // Merges of tokens made before, each text once; some rounds mix up their order.
    std::vector<std::vector<int32_t>> text(letters);
    for (int32_t id = 0; id < letters; ++id) text[id] = {id};
    std::vector<MergeTable::Merge> merges;
    std::set<std::vector<int32_t>> known(text.begin(), text.end());
    for (int attempt = 0; attempt < 60; ++attempt) {
      const auto left = static_cast<int32_t>(random.below(text.size()));
      const auto right = static_cast<int32_t>(random.below(text.size()));
      std::vector<int32_t> both = text[left];
      both.insert(both.end(), text[right].begin(), text[right].end());
      if (both.size() > 12 || !known.insert(both).second) continue;
      merges.push_back({left, right, static_cast<int32_t>(text.size())});
      text.push_back(both);
    }
    const bool in_order = random.below(4) != 0;
    for (size_t i = 0; !in_order && i < merges.size(); ++i) {
      std::swap(merges[i], merges[random.below(merges.size())]);
    }
    const MergeTable table(merges);
    std::vector<int32_t> bytes;
    for (int32_t id = 0; id < letters; ++id) bytes.push_back(id);
    bytes.push_back(-1);
    const std::vector<bool> whole = find_whole_tokens(table, bytes, text.size());
    for (size_t id = 0; id < text.size(); ++id) {
      const bool expected =
          merged(table, text[id]) == std::vector<int32_t>{static_cast<int32_t>(id)};
      if (in_order ? whole[id] != expected : whole[id] && !expected) {
        FAIL("round " << round << " token " << id << " of " << text.size());
      }
      ++(expected ? whole_count : broken_count);
    }
  }
  CHECK(whole_count > 1000);
  CHECK(broken_count > 1000);
}

TEST_CASE("nearly all tokens of GPT-2 are whole") {
  const std::string vocab = shared_data("tokenizer/gpt2/gpt2_vocab.json");
  if (vocab.empty()) {
    WARN("SKIPPED: tokenizer/gpt2 is not there");
    return;
  }
  const TokenizerPtr gpt2 = load_gpt2(vocab, shared_data("tokenizer/gpt2/gpt2_merges.txt"));
  int32_t byte_ids[256];
  for (int byte = 0; byte < 256; ++byte) {
    const char c = static_cast<char>(byte);
    byte_ids[byte] = gpt2->token_id({&c, 1}).value();
  }
  const BpeSpec& spec =
      dynamic_cast<const BpeModel&>(dynamic_cast<const PipelineTokenizer&>(*gpt2).model()).spec();
  std::vector<MergeTable::Merge> merges;
  for (const auto& [left, right] : spec.merges) {
    const std::string bytes =
        std::string(gpt2->token_bytes(left)) + std::string(gpt2->token_bytes(right));
    merges.push_back({left, right, gpt2->token_id(bytes).value()});
  }
  const MergeTable table(merges);
  const std::vector<bool> whole = find_whole_tokens(table, byte_ids, spec.entries.size());
  int wrong = 0, count = 0;
  for (int32_t id = 0; id < gpt2->special("<|endoftext|>"); ++id) {
    std::vector<int32_t> symbols;
    for (const char c : gpt2->token_bytes(id))
      symbols.push_back(byte_ids[static_cast<unsigned char>(c)]);
    wrong += whole[id] != (merged(table, symbols) == std::vector<int32_t>{id});
    count += whole[id];
  }
  CHECK(wrong == 0);
  CHECK(count > 50'000);
}
