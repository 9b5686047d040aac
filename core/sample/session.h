// A session: one text in the making, with everything needed to go on with it.
//
// It holds the model's memory of the text (State), the tokens not yet computed, the sampler and its
// place in the random stream.  It is a value: a copy is a fork, which costs no more than a few
// pointers until one side goes on.
//
// Texts and ids may come in any chunks: blocks are cut at places that depend on the tokens alone,
// so the results are the same bit for bit.  Consecutive texts are one text: it is tokenised when it
// ends (ids, generation, a look at the state). Memory and time per token do not depend on how long
// the text already is.
//
// The state is advanced in place: tensors are copied only where a fork, a mark or a saved state
// still holds them, once, at the next token.  A token of a model with LanguageModel::step costs no
// allocation.
//
// Not here: chat templates, transcripts (recipes), files (session_file.h).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/models/language_model.h"
#include "core/sample/sampler.h"
#include "core/sample/stop_text.h"
#include "tokenizer/stream_decoder.h"
#include "tokenizer/tokenizer.h"

namespace rmkv {

using LanguageModelPtr = std::shared_ptr<LanguageModel>;

// When a generation ends, and what is shown of it.
struct GenerateOptions {
  int64_t max_tokens = 256;               // 0 generates nothing, -1 knows no limit
  int64_t min_tokens = 0;                 // stop tokens are banned before
  std::vector<int64_t> stop_tokens = {};  // the token enters the text, its piece is not shown
  std::vector<std::string> stop_strings =
      {};  // cut out of what is shown; the tokens that made it stay in the session
  bool show_special = false;  // show special tokens (<think> ...) as text
};

// Reads a closed table with the names above; throws as OptionReader does.
GenerateOptions read_generate_options(const Table& table, const std::string& where = "generate");

enum class FinishReason { kNone, kStopToken, kStopString, kBudget };
std::string finish_reason_name(
    FinishReason reason);  // "none", "stop_token", "stop_string", "budget"

// One thread at a time; sessions on one model share that rule with the model.
class Session {
 public:
  // `tokenizer` may be null for a session of ids.  Throws when its ids do not fit the model's
  // vocabulary.
  Session(LanguageModelPtr model, TokenizerPtr tokenizer, SamplerOptions sampler = {},
          at::ScalarType compute_dtype = at::kFloat);

  // --- reading ---
  void feed(std::string_view text, bool parse_special = false);
  void feed(std::span<const int32_t> ids);
  // Computes everything fed now, as the next token would, and not when a block is full: for a fork
  // that others go on from.  A text ends here, and later results may differ in their last bits.
  void settle();

  // --- writing ---
  // Opens a generation: sets when it ends and forgets the last one's budget and held text.
  void begin(GenerateOptions options);
  // Samples one token, which enters the text; nothing when the generation has ended.  Opens a
  // generation with the default options when none was begun.  Throws when nothing was fed yet.
  std::optional<int32_t> next_token();
  // The next text that can be shown: whole UTF-8 characters, never a part of a stop string; nothing
  // at the end.
  std::optional<std::string> next_piece();
  // All pieces until the end.
  std::string generate(GenerateOptions options);
  FinishReason finish_reason() const { return finish_; }
  int64_t generated_tokens() const { return generated_; }  // since begin

  // The logits after everything fed: fp32 [V], CPU.  Looking changes nothing.
  Tensor logits() const;
  Sampler& sampler() { return sampler_; }
  const Sampler& sampler() const { return sampler_; }

  // --- memory ---
  // Commits the open segment to memory now instead of at its end: another computation than going on
  // (memory-model.md, section 6).  A model without segments has nothing to do.
  void flush();
  // The state after everything fed.  Looking changes nothing: tokens not yet computed are computed
  // on a copy.
  State state() const;
  std::vector<std::string> memory_names() const;
  // One slot (0-based) of a memory tensor fp32 [1, M, ...]: a copy [...].
  Tensor read_slot(const std::string& memory, int64_t slot) const;
  // Puts a slot back to what a fresh session holds, or to zero: what does the model say without it?
  enum class EraseTo { kInitial, kZero };
  void erase_slot(const std::string& memory, int64_t slot, EraseTo value = EraseTo::kInitial);
  // Replaces a whole memory tensor by one of its shape.
  void write_memory(const std::string& memory, const Tensor& value);

  // --- turns ---
  // Remembers this moment; undo() comes back to the last one.  The oldest of more than `kMaxMarks`
  // is forgotten.
  static constexpr size_t kMaxMarks = 64;
  void mark();
  // False when no mark is left.
  bool undo();
  size_t marks() const { return marks_.size(); }

  // --- facts ---
  int64_t total_tokens() const {
    return moment_.total;
  }  // fed (ids, ended texts) and sampled; waiting text not yet
  LanguageModel& model() { return *model_; }
  const TokenizerPtr& tokenizer() const { return tokenizer_; }
  at::ScalarType compute_dtype() const { return compute_dtype_; }
  int64_t size_bytes()
      const;  // of the state and its marks, tensors shared between them counted once

 private:
  friend class SessionFile;

  // Everything that changes as the text grows: copied by mark(), saved to files.
  struct Moment {
    State state;                // after total - waiting tokens
    State segment_start;        // the state where the open segment began; empty without segments
    std::vector<int32_t> open;  // tokens since segment_start that `state` has seen (fewer than T)
    std::vector<int32_t> waiting;  // ids not yet computed
    std::string text;              // fed text not yet tokenised
    bool text_special = false;     // whether special tokens are read in `text`
    Tensor last_hidden;            // [1, C] after `state`, undefined before the first token
    Tensor logits;                 // fp32 [V] CPU; undefined until first asked for
    bool logits_known = false;     // whether `logits` are those of last_hidden
    int64_t total = 0;
  };

  void end_text();
  void take(std::span<const int32_t> ids);
  // Computes waiting tokens: whole blocks only, or all of them.
  void advance(Moment& moment, bool all) const;
  void run_block(Moment& moment, int64_t count) const;
  bool run_token(Moment& moment) const;
  void forward_block(Moment& moment, int64_t count) const;
  // Fills the moment's logits.
  void find_logits(Moment& moment) const;
  bool has_segments() const { return model_->facts().segment_tokens > 0; }
  // Computes everything that waits on a copy, kept until the session goes on.
  const Moment& looked() const;
  void check_memory(const std::string& memory) const;
  void check_slot(const Tensor& memory, int64_t slot) const;
  void replace_memory(const std::string& memory, const Tensor& value);

  // What a look at unfinished work has computed; the same bits as when the session computes it.
  struct Look {
    std::vector<int32_t> text_ids;
    Moment moment;
  };

  LanguageModelPtr model_;
  TokenizerPtr tokenizer_;
  at::ScalarType compute_dtype_;
  Moment moment_;
  mutable std::shared_ptr<const Look> look_;  // valid until something is fed or edited
  Sampler sampler_;
  std::vector<std::pair<Moment, Sampler::Progress>> marks_;

  std::shared_ptr<const GenerateOptions> generate_;
  std::optional<StreamDecoder> decoder_;
  StopText stop_text_;
  int64_t generated_ = 0;
  FinishReason finish_ = FinishReason::kNone;
};

}  // namespace rmkv
