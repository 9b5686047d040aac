// Counting in parallel, merging in one thread.
#include "tokenizer/bpe_trainer.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>
#include <map>
#include <thread>

#include "core/base/cancel.h"
#include "core/base/error.h"
#include "tokenizer/bpe_model.h"
#include "tokenizer/merge_finder.h"
#include "tokenizer/merge_table.h"
#include "tokenizer/pipeline_tokenizer.h"
#include "tokenizer/tokenizer_json.h"
#include "tokenizer/unicode.h"
#include "tokenizer/word_counter.h"

namespace rmkv {
namespace {

constexpr size_t kChunkBytes = size_t{1} << 20;     // what one thread takes at a time
constexpr size_t kPendingBytes = size_t{16} << 20;  // collected before the threads start
constexpr double kCountUnit = 256;                  // what a count of one is scaled to by shares
constexpr int64_t kMaxVocab = MergeTable::kMaxId + 1;

}  // namespace

struct BpeTrainer::State {
  struct Source {
    std::vector<WordCounter> counters;  // one per thread
    uint64_t bytes = 0;
  };
  struct Pending {
    std::string text;
    size_t source;
  };

  BpeTrainerOptions options;
  SplitterPtr splitter;
  std::vector<Source> sources;
  std::vector<Pending> pending;  // texts to be counted; only with several threads
  size_t pending_bytes = 0;
  uint64_t bytes = 0, documents = 0;

  void count_pending() {
    std::atomic<size_t> next{0};
    const auto work = [&](size_t thread) {
      for (size_t i = next++; i < pending.size(); i = next++) {
        sources[pending[i].source].counters[thread].add_text(*splitter, pending[i].text);
      }
    };
    std::vector<std::jthread> threads;
    for (int i = 1; i < options.threads; ++i) threads.emplace_back(work, i);
    work(0);
    threads.clear();  // joins
    pending.clear();
    pending_bytes = 0;
  }

  // All words with their counts, those of sources with shares in 256ths.
  WordCounts words() {
    for (Source& source : sources) {
      for (size_t i = 1; i < source.counters.size(); ++i) {
        source.counters[0].add(source.counters[i]);
        source.counters[i] = WordCounter();
      }
    }
    if (options.shares.empty()) return sources[0].counters[0].sorted();
    double total_share = 0;
    for (const double share : options.shares) total_share += share;
    std::map<std::string, uint64_t> counts;
    for (size_t i = 0; i < sources.size(); ++i) {
      if (sources[i].bytes == 0) continue;
      const double scale = kCountUnit * options.shares[i] / total_share *
                           static_cast<double>(bytes) / static_cast<double>(sources[i].bytes);
      for (const auto& [word, count] : sources[i].counters[0].sorted()) {
        counts[word] += static_cast<uint64_t>(std::llround(static_cast<double>(count) * scale));
      }
    }
    return {counts.begin(), counts.end()};
  }
};

BpeTrainer::BpeTrainer(BpeTrainerOptions options) : state_(std::make_unique<State>()) {
  const auto check = [](const char* name, int64_t value, int64_t low, int64_t high) {
    if (value < low || value > high) {
      fail(std::string("tokenizer.train: ") + name, std::to_string(value),
           std::to_string(low) + " to " + std::to_string(high));
    }
  };
  const auto specials = static_cast<int64_t>(options.special_tokens.size());
  check("vocab_size", options.vocab_size, specials + 256, kMaxVocab);
  check("min_frequency", options.min_frequency, 0, std::numeric_limits<int64_t>::max());
  check("threads", options.threads, 1, 1024);
  for (const std::string& token : options.special_tokens) {
    if (token.empty() || !is_valid_utf8(token))
      fail("tokenizer.train: special_tokens", "'" + token + "'", "text (UTF-8, not empty)");
  }
  check("max_characters", options.max_characters, 0, 0x110000);
  if (!(options.coverage >= 0 && options.coverage <= 1)) {
    fail("tokenizer.train: coverage", std::to_string(options.coverage), "0 to 1");
  }
  for (const double share : options.shares) {
    if (!(share > 0 && share < 1e9)) {
      fail("tokenizer.train: shares", std::to_string(share), "positive numbers");
    }
  }
  state_->splitter = make_splitter(options.pattern);
  state_->sources.resize(std::max<size_t>(1, options.shares.size()));
  for (State::Source& source : state_->sources) {
    source.counters.resize(static_cast<size_t>(options.threads));
  }
  state_->options = std::move(options);
}

BpeTrainer::~BpeTrainer() = default;

uint64_t BpeTrainer::bytes() const {
  return state_->bytes;
}
uint64_t BpeTrainer::documents() const {
  return state_->documents;
}

void BpeTrainer::add_document(std::string_view text, size_t index) {
  check_cancelled("tokenizer.train");
  State& state = *state_;
  if (index >= state.sources.size()) {
    fail("tokenizer.train: source", std::to_string(index),
         "under " + std::to_string(state.sources.size()));
  }
  State::Source& source = state.sources[index];
  state.bytes += text.size();
  source.bytes += text.size();
  ++state.documents;
  if (source.counters.size() == 1) {
    source.counters[0].add_text(*state.splitter, text);
    return;
  }
  while (!text.empty()) {
    const size_t size = text.size() > kChunkBytes ? find_word_cut(text, kChunkBytes) : text.size();
    state.pending.push_back({std::string(text.substr(0, size)), index});
    state.pending_bytes += size;
    text.remove_prefix(size);
    if (state.pending_bytes >= kPendingBytes) state.count_pending();
  }
}

TokenizerPtr BpeTrainer::train() {
  State& state = *state_;
  state.count_pending();
  BpeTrainerOptions options = state.options;
  if (!options.shares.empty()) options.min_frequency *= static_cast<int64_t>(kCountUnit);
  BpeSpec spec;
  {
    MergeFinder finder(options, state.words());
    finder.run();
    spec.merges = finder.merges();
    spec.entries = finder.take_spellings();
  }
  PipelineSpec pipeline;
  if (options.alphabet == BpeAlphabet::kCharacters) {
    spec.byte_fallback = true;
    pipeline.pre_tokenizer = write_split_json(split_pattern_regex(options.pattern));
    pipeline.decoder =
        R"({"type": "Sequence", "decoders": [{"type": "ByteFallback"}, {"type": "Fuse"}]})";
  } else {
    const bool is_gpt2 = options.pattern == SplitPattern::kGpt2;
    pipeline = PipelineSpec::byte_level(is_gpt2 ? std::string_view()
                                                : split_pattern_regex(options.pattern));
  }
  for (const std::string& content : state.options.special_tokens) {
    const auto place = std::find(spec.entries.begin(), spec.entries.end(), content);
    pipeline.added_tokens.push_back(
        {.id = static_cast<int32_t>(place - spec.entries.begin()), .content = content});
  }
  const std::string where = "tokenizer.train";
  const auto make_model = [&](bool byte_level) {
    spec.byte_level = byte_level;
    return std::make_unique<BpeModel>(std::move(spec), where);
  };
  return std::make_shared<PipelineTokenizer>(std::move(pipeline), make_model, where);
}

}  // namespace rmkv
