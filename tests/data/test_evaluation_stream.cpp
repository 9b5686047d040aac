// One pass, in order, each document once.
#include "core/data/evaluation_stream.h"

#include <set>

#include "core/base/error.h"
#include "core/tensor/torch.h"
#include "tests/catch.h"
#include "tests/data/support.h"

using namespace rmkv;
using namespace rmkv::test;

namespace {

std::vector<std::string> read_all(EvaluationStream& stream, const Tokenizer& tokenizer,
                                  int64_t segments, int64_t segment_tokens, int64_t* labels) {
  // Lanes are read side by side; a lane's documents end with <end>.
  std::vector<std::string> texts;
  std::vector<std::vector<int32_t>> open;
  Batch batch;
  while (stream.next(segments, segment_tokens, batch)) {
    *labels += batch.label_count;
    open.resize(static_cast<size_t>(batch.lanes));
    for (int64_t b = 0; b < batch.lanes; ++b) {
      for (int64_t id : lane_tokens(batch, b)) {
        open[static_cast<size_t>(b)].push_back(static_cast<int32_t>(id));
        if (id == tokenizer.special("<end>")) {
          texts.push_back(tokenizer.decode(open[static_cast<size_t>(b)], true));
          open[static_cast<size_t>(b)].clear();
        }
      }
    }
  }
  return texts;
}

}  // namespace

TEST_CASE("an evaluation reads every document once, whatever the shapes, and can be rewound") {
  TokenizerPtr tokenizer = make_byte_tokenizer();
  std::vector<std::string> texts = random_texts("d", 23, 3, 120, 1);
  for (int64_t lanes : {1, 4, 40}) {
    EvaluationStreamOptions options;
    options.lanes = lanes;
    EvaluationStream stream({{list("docs", texts), 1}}, tokenizer, options);
    for (int64_t segment_tokens : {7, 64}) {
      int64_t labels = 0;
      std::vector<std::string> seen = read_all(stream, *tokenizer, 2, segment_tokens, &labels);
      CHECK(std::multiset<std::string>(seen.begin(), seen.end()) ==
            std::multiset<std::string>(texts.begin(), texts.end()));
      if (lanes == 1) CHECK(seen == texts);  // in order of index
      int64_t bytes = 0;
      for (const std::string& text : texts) bytes += static_cast<int64_t>(text.size());
      CHECK(labels == bytes);  // tokens - 1 with <end> counted
      stream.rewind();
    }
  }
}

TEST_CASE("training and validation parts make up the whole") {
  TokenizerPtr tokenizer = make_byte_tokenizer();
  std::vector<std::string> texts = random_texts("d", 40, 3, 50, 1);
  std::multiset<std::string> all;
  size_t sizes[2];
  for (int part = 0; part < 2; ++part) {
    EvaluationStreamOptions options;
    options.split = part == 0 ? Split::kTraining : Split::kValidation;
    options.validation_share = 0.25;
    EvaluationStream stream({{list("docs", texts), 1}}, tokenizer, options);
    int64_t labels = 0;
    std::vector<std::string> seen = read_all(stream, *tokenizer, 1, 32, &labels);
    sizes[part] = seen.size();
    all.insert(seen.begin(), seen.end());
  }
  CHECK(sizes[1] == 10);
  CHECK(all == std::multiset<std::string>(texts.begin(), texts.end()));
}

TEST_CASE("max_tokens ends a pass over documents, not in the middle of one") {
  TokenizerPtr tokenizer = make_byte_tokenizer();
  EvaluationStreamOptions options;
  options.lanes = 2;
  options.max_tokens = 100;
  EvaluationStream stream({{list("docs", std::vector<std::string>(50, std::string(39, 'x'))), 1}},
                          tokenizer, options);
  Batch batch;
  int64_t tokens = 0;
  while (stream.next(1, 16, batch)) tokens += batch.token_count;
  CHECK(tokens == 120);
}

TEST_CASE("idle lanes are padding without a source") {
  TokenizerPtr tokenizer = make_byte_tokenizer();
  EvaluationStreamOptions options;
  options.lanes = 3;
  EvaluationStream stream({{list("docs", {"abc", "defg"}), 1}}, tokenizer, options);
  Batch batch;
  REQUIRE(stream.next(1, 8, batch));
  CHECK(batch.sources[2][0].item<int64_t>() == -1);
  CHECK_FALSE(batch.valid[2].any().item<bool>());
  CHECK_FALSE(batch.resets[2][0].item<bool>());
  CHECK(batch.label_count == 7);
  CHECK_FALSE(stream.next(1, 8, batch));
  CHECK_FALSE(stream.next(1, 8, batch));
}

TEST_CASE("a source of one document has nothing to hold out") {
  TokenizerPtr tokenizer = make_byte_tokenizer();
  EvaluationStreamOptions options;
  options.split = Split::kValidation;
  options.validation_share = 0.1;
  CHECK_THROWS_WITH(EvaluationStream({{list("docs", {"abc"}), 1}}, tokenizer, options),
                    Catch::Contains("validation text"));
  CHECK_THROWS_AS(read_evaluation_stream_options({{"split", "val"}}), Error);
}
