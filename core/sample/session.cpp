// A session over any LanguageModel: blocks, generation, turns; looking into its memory is in
// session_memory.cpp.
#include "core/sample/session.h"

#include <algorithm>
#include <set>

#include "core/base/cancel.h"
#include "core/base/error.h"
#include "core/base/option_reader.h"
#include "core/tensor/torch.h"

namespace rmkv {

namespace {

// Prompts are computed in blocks of whole segments of about this many tokens: large enough for
// efficient products.
constexpr int64_t kBlockTokens = 512;

}  // namespace

GenerateOptions read_generate_options(const Table& table, const std::string& where) {
  GenerateOptions options;
  OptionReader reader(table, where);
  reader.read("max_tokens", options.max_tokens, -1);
  reader.read("min_tokens", options.min_tokens, 0);
  reader.read("stop_tokens", options.stop_tokens);
  reader.read("stop_strings", options.stop_strings);
  reader.read("show_special", options.show_special);
  reader.finish();
  return options;
}

std::string finish_reason_name(FinishReason reason) {
  switch (reason) {
    case FinishReason::kStopToken:
      return "stop_token";
    case FinishReason::kStopString:
      return "stop_string";
    case FinishReason::kBudget:
      return "budget";
    default:
      return "none";
  }
}

Session::Session(LanguageModelPtr model, TokenizerPtr tokenizer, SamplerOptions sampler,
                 at::ScalarType compute_dtype)
    : model_(std::move(model)),
      tokenizer_(std::move(tokenizer)),
      compute_dtype_(compute_dtype),
      sampler_(std::move(sampler), model_->facts().vocabulary) {
  const ModelFacts& facts = model_->facts();
  if (tokenizer_ && tokenizer_->vocab_size() > facts.vocabulary) {
    fail("session", "a tokenizer of " + std::to_string(tokenizer_->vocab_size()) + " ids",
         "at most the model's vocabulary, " + std::to_string(facts.vocabulary));
  }
  at::NoGradGuard no_grad;
  moment_.state = model_->initial_state(1);
  moment_.state.detach();
  if (has_segments()) moment_.segment_start = moment_.state;
}

// --- reading ---

void Session::feed(std::string_view text, bool parse_special) {
  if (!tokenizer_) fail("session.feed", "text", "token ids: this session has no tokenizer");
  if (text.empty()) return;
  if (parse_special != moment_.text_special) end_text();
  look_.reset();
  moment_.text_special = parse_special;
  moment_.text += text;
}

void Session::feed(std::span<const int32_t> ids) {
  const int64_t vocabulary = model_->facts().vocabulary;
  for (int32_t id : ids) {
    if (id < 0 || id >= vocabulary) {
      fail("session.feed", "id " + std::to_string(id),
           "ids in [0, " + std::to_string(vocabulary) + ")");
    }
  }
  end_text();
  take(ids);
}

void Session::end_text() {
  if (moment_.text.empty()) return;
  std::vector<int32_t> ids;
  tokenizer_->encode_to(moment_.text, {.parse_special = moment_.text_special}, ids);
  moment_.text.clear();
  take(ids);
}

void Session::take(std::span<const int32_t> ids) {
  look_.reset();
  for (int32_t id : ids) sampler_.accept(id);
  moment_.waiting.insert(moment_.waiting.end(), ids.begin(), ids.end());
  moment_.total += static_cast<int64_t>(ids.size());
  advance(moment_, false);
}

void Session::advance(Moment& moment, bool all) const {
  // Where blocks are cut depends only on how many tokens stand before a look at the state, never on
  // the chunks they came in: that makes any chunking the same bit for bit.
  const int64_t segment = model_->facts().segment_tokens;
  const int64_t unit = std::max<int64_t>(segment, 1);
  const int64_t block = unit * std::max<int64_t>(1, kBlockTokens / unit);
  auto waiting = [&] { return static_cast<int64_t>(moment.waiting.size()); };
  while (waiting() > 0) {
    check_cancelled("session");
    const int64_t open = static_cast<int64_t>(moment.open.size());
    if (open > 0 && open + waiting() >= segment) {
      run_block(moment, segment - open);
    } else if (open == 0 && waiting() >= block) {
      run_block(moment, block);
    } else if (!all) {
      return;
    } else if (open == 0 && waiting() > segment && segment > 0) {
      run_block(moment, waiting() / segment * segment);
    } else {
      run_block(moment, waiting());
    }
  }
}

void Session::run_block(Moment& moment, int64_t count) const {
  at::NoGradGuard no_grad;
  if (count > 1 || !run_token(moment)) forward_block(moment, count);
  moment.logits_known = false;
  const auto end = moment.waiting.begin() + count;
  if (has_segments()) {
    moment.open.insert(moment.open.end(), moment.waiting.begin(), end);
    if (static_cast<int64_t>(moment.open.size()) % model_->facts().segment_tokens == 0) {
      moment.open.clear();
      moment.segment_start = moment.state;
    }
  }
  moment.waiting.erase(moment.waiting.begin(), end);
}

// One token without tensors; false where the model wants a block.
bool Session::run_token(Moment& moment) const {
  const int64_t channels = model_->facts().channels;
  Tensor& hidden = moment.last_hidden;
  // The row of the token before is replaced unless a mark or a fork holds it.
  const bool own = hidden.defined() && hidden.scalar_type() == at::kFloat && hidden.is_cpu() &&
                   hidden.is_contiguous() && hidden.use_count() == 1 &&
                   hidden.storage().use_count() == 1;
  Tensor row = own ? std::move(hidden) : at::empty({1, channels}, at::kFloat);
  ForwardOptions options;
  options.compute_dtype = compute_dtype_;
  bool stepped = false;
  try {
    stepped =
        model_->step(moment.waiting.front(), moment.state, options, row.mutable_data_ptr<float>());
  } catch (...) {
    if (own) hidden = std::move(row);
    throw;
  }
  if (stepped || own) hidden = std::move(row);
  return stepped;
}

void Session::forward_block(Moment& moment, int64_t count) const {
  Tensor tokens = at::empty({1, count}, at::kLong);
  std::copy_n(moment.waiting.begin(), count, tokens.mutable_data_ptr<int64_t>());
  ForwardOptions options;
  options.compute_dtype = compute_dtype_;
  // Without segments nothing else could bring a half-advanced state back.
  const State before = has_segments() ? State() : moment.state;
  // Moved, not copied: the model writes its caches in place only when nobody else holds them.
  State state = std::move(moment.state);
  try {
    Tensor hidden = model_->forward(tokens.to(model_->parameters().device()), state, options);
    moment.last_hidden = hidden.select(1, count - 1).clone();  // [1, C], not the whole block
  } catch (...) {
    // A half-advanced state is of no use: the open segment is computed again when it is needed.
    moment.state = has_segments() ? moment.segment_start : before;
    moment.waiting.insert(moment.waiting.begin(), moment.open.begin(), moment.open.end());
    moment.open.clear();
    throw;
  }
  moment.state = std::move(state);
}

const Session::Moment& Session::looked() const {
  if (moment_.text.empty() && moment_.waiting.empty()) return moment_;
  if (!look_) {
    auto look = std::make_shared<Look>(Look{{}, moment_});
    if (!moment_.text.empty()) {
      EncodeOptions options{.parse_special = moment_.text_special};
      tokenizer_->encode_to(moment_.text, options, look->text_ids);
      look->moment.text.clear();
      auto& waiting = look->moment.waiting;
      waiting.insert(waiting.end(), look->text_ids.begin(), look->text_ids.end());
      look->moment.total += static_cast<int64_t>(look->text_ids.size());
    }
    advance(look->moment, true);
    look_ = std::move(look);
  }
  return look_->moment;
}

void Session::settle() {
  if (look_) {
    const std::shared_ptr<const Look> look = std::move(look_);
    for (int32_t id : look->text_ids) sampler_.accept(id);
    moment_ = look->moment;
  } else {
    end_text();
    advance(moment_, true);
  }
}

void Session::find_logits(Moment& moment) const {
  if (moment.logits_known) return;
  if (!moment.last_hidden.defined()) {
    fail_because("session", "nothing was fed yet, so there is nothing to go on from",
                 "feed a prompt, or the token that begins a document");
  }
  at::NoGradGuard no_grad;
  const Tensor& hidden = moment.last_hidden;
  Tensor& logits = moment.logits;
  bool found = false;
  if (hidden.scalar_type() == at::kFloat && hidden.is_cpu() && hidden.is_contiguous()) {
    if (!logits.defined() || logits.use_count() > 1 || logits.storage().use_count() > 1) {
      logits = at::empty({model_->facts().vocabulary}, at::kFloat);
    }
    found = model_->step_logits(hidden.const_data_ptr<float>(), logits.mutable_data_ptr<float>());
  }
  if (!found) {
    logits = model_->logits(hidden).to(at::kCPU, at::kFloat).reshape({-1}).contiguous();
  }
  moment.logits_known = true;
}

Tensor Session::logits() const {
  const Moment& moment = looked();
  if (moment.logits_known) return moment.logits.clone();
  Moment seen;
  seen.last_hidden = moment.last_hidden;
  find_logits(seen);
  return seen.logits;
}

// --- writing ---

void Session::begin(GenerateOptions options) {
  for (int64_t id : options.stop_tokens) {
    if (id < 0 || id >= model_->facts().vocabulary) {
      fail("generate.stop_tokens", "id " + std::to_string(id),
           "ids in [0, " + std::to_string(model_->facts().vocabulary) + ")");
    }
  }
  stop_text_ = StopText(options.stop_strings);
  decoder_.reset();
  if (tokenizer_) decoder_.emplace(tokenizer_, !options.show_special);
  generate_ = std::make_shared<const GenerateOptions>(std::move(options));
  generated_ = 0;
  finish_ = FinishReason::kNone;
}

std::optional<int32_t> Session::next_token() {
  if (!generate_) begin({});
  if (finish_ != FinishReason::kNone) return std::nullopt;
  if (generate_->max_tokens >= 0 && generated_ >= generate_->max_tokens) {
    finish_ = FinishReason::kBudget;
    return std::nullopt;
  }
  settle();
  find_logits(moment_);
  std::span<const float> logits(moment_.logits.const_data_ptr<float>(),
                                static_cast<size_t>(moment_.logits.numel()));
  std::span<const int64_t> not_yet;
  if (generated_ < generate_->min_tokens) not_yet = generate_->stop_tokens;
  int32_t id = sampler_.sample(logits, not_yet);
  ++generated_;
  take({&id, 1});
  const auto& stops = generate_->stop_tokens;
  if (std::find(stops.begin(), stops.end(), id) != stops.end()) finish_ = FinishReason::kStopToken;
  return id;
}

std::optional<std::string> Session::next_piece() {
  if (!tokenizer_) fail("session.next_piece", "no tokenizer", "a session with a tokenizer");
  while (true) {
    std::optional<int32_t> id = next_token();
    std::string piece;
    if (id && finish_ == FinishReason::kNone) {
      piece = stop_text_.push(decoder_->push(*id));
      if (stop_text_.stopped()) finish_ = FinishReason::kStopString;
    } else if (decoder_) {
      // The end: what was held back is shown once.
      piece = stop_text_.push(decoder_->flush()) + stop_text_.flush();
      if (piece.empty()) return std::nullopt;
    }
    if (!piece.empty()) return piece;
  }
}

std::string Session::generate(GenerateOptions options) {
  begin(std::move(options));
  std::string text;
  while (auto piece = next_piece()) text += *piece;
  return text;
}

// --- turns ---

void Session::mark() {
  if (marks_.size() == kMaxMarks) marks_.erase(marks_.begin());
  marks_.emplace_back(moment_, sampler_.progress());
}

bool Session::undo() {
  if (marks_.empty()) return false;
  look_.reset();
  moment_ = std::move(marks_.back().first);
  sampler_.restore(marks_.back().second);
  marks_.pop_back();
  generate_.reset();
  decoder_.reset();
  stop_text_ = {};
  generated_ = 0;
  finish_ = FinishReason::kNone;
  return true;
}

int64_t Session::size_bytes() const {
  std::set<const void*> counted;
  int64_t bytes = 0;
  auto add = [&](const State& state) {
    for (const auto& [name, tensor] : state.tensors()) {
      if (counted.insert(tensor.const_data_ptr()).second)
        bytes += static_cast<int64_t>(tensor.nbytes());
    }
  };
  auto add_moment = [&](const Moment& moment) {
    add(moment.state);
    add(moment.segment_start);
    bytes += static_cast<int64_t>((moment.open.size() + moment.waiting.size()) * sizeof(int32_t) +
                                  moment.text.size());
  };
  add_moment(moment_);
  for (const auto& entry : marks_) add_moment(entry.first);
  return bytes;
}

}  // namespace rmkv
