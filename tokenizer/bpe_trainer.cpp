// Counting in parallel, merging in one thread.
#include "tokenizer/bpe_trainer.h"

#include <algorithm>
#include <atomic>
#include <limits>
#include <thread>

#include "core/base/cancel.h"
#include "core/base/error.h"
#include "tokenizer/bpe_model.h"
#include "tokenizer/merge_finder.h"
#include "tokenizer/merge_table.h"
#include "tokenizer/pipeline_tokenizer.h"
#include "tokenizer/unicode.h"
#include "tokenizer/word_counter.h"

namespace rmkv {
namespace {

constexpr size_t kChunkBytes = size_t{1} << 20;     // what one thread takes at a time
constexpr size_t kPendingBytes = size_t{16} << 20;  // collected before the threads start
constexpr int64_t kMaxVocab = MergeTable::kMaxId + 1;

// The first place from `from` on where every known pattern ends a word: after a newline that a
// visible ASCII character follows.
size_t safe_cut(std::string_view text, size_t from) {
  for (size_t newline = text.find('\n', from);
       newline != std::string_view::npos && newline + 1 < text.size();
       newline = text.find('\n', newline + 1)) {
    const char next = text[newline + 1];
    if (next > ' ' && next <= '~') return newline + 1;
  }
  return text.size();
}

}  // namespace

struct BpeTrainer::State {
  BpeTrainerOptions options;
  SplitterPtr splitter;
  std::vector<WordCounter> counters;  // one per thread
  std::vector<std::string> pending;   // texts to be counted; only with several threads
  size_t pending_bytes = 0;
  uint64_t bytes = 0, documents = 0;

  void count_pending() {
    std::atomic<size_t> next{0};
    const auto work = [&](WordCounter& counter) {
      for (size_t i = next++; i < pending.size(); i = next++)
        counter.add_text(*splitter, pending[i]);
    };
    std::vector<std::jthread> threads;
    for (size_t i = 1; i < counters.size(); ++i) threads.emplace_back(work, std::ref(counters[i]));
    work(counters[0]);
    threads.clear();  // joins
    pending.clear();
    pending_bytes = 0;
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
  state_->splitter = make_splitter(options.pattern);
  state_->counters.resize(static_cast<size_t>(options.threads));
  state_->options = std::move(options);
}

BpeTrainer::~BpeTrainer() = default;

uint64_t BpeTrainer::bytes() const {
  return state_->bytes;
}
uint64_t BpeTrainer::documents() const {
  return state_->documents;
}

void BpeTrainer::add_document(std::string_view text) {
  check_cancelled("tokenizer.train");
  State& state = *state_;
  state.bytes += text.size();
  ++state.documents;
  if (state.counters.size() == 1) {
    state.counters[0].add_text(*state.splitter, text);
    return;
  }
  while (!text.empty()) {
    const size_t size = text.size() > kChunkBytes ? safe_cut(text, kChunkBytes) : text.size();
    state.pending.emplace_back(text.substr(0, size));
    state.pending_bytes += size;
    text.remove_prefix(size);
    if (state.pending_bytes >= kPendingBytes) state.count_pending();
  }
}

TokenizerPtr BpeTrainer::train() {
  State& state = *state_;
  state.count_pending();
  for (size_t i = 1; i < state.counters.size(); ++i) {
    state.counters[0].add(state.counters[i]);
    state.counters[i] = WordCounter();
  }
  BpeSpec spec;
  {
    MergeFinder finder(state.options, state.counters[0].sorted());
    finder.run();
    spec.merges = finder.merges();
    spec.entries = finder.take_spellings();
  }
  const bool is_gpt2 = state.options.pattern == SplitPattern::kGpt2;
  PipelineSpec pipeline = PipelineSpec::byte_level(
      is_gpt2 ? std::string_view() : split_pattern_regex(state.options.pattern));
  for (const std::string& content : state.options.special_tokens) {
    const auto place = std::find(spec.entries.begin(), spec.entries.end(), content);
    pipeline.added_tokens.push_back(
        {.id = static_cast<int32_t>(place - spec.entries.begin()), .content = content});
  }
  const std::string where = "tokenizer.train";
  return std::make_shared<PipelineTokenizer>(
      std::move(pipeline), [&](bool) { return std::make_unique<BpeModel>(std::move(spec), where); },
      where);
}

}  // namespace rmkv
