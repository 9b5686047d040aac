// A tokenizer as tokenizer.json describes it: added tokens are found, the rest is normalised, cut
// into words, and a model turns each word into tokens; a decoder turns tokens into text.
//
// Everything but World and single characters is one of these, whatever file it came from.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "tokenizer/added_tokens.h"
#include "tokenizer/normalizer.h"
#include "tokenizer/post_processor.h"
#include "tokenizer/pre_tokenizer.h"
#include "tokenizer/token_decoder.h"
#include "tokenizer/token_table.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/word_cache.h"
#include "tokenizer/word_model.h"

namespace rmkv {

// The members of a tokenizer.json around the model, as JSON.
struct PipelineSpec {
  std::string truncation = "null", padding = "null";
  std::string normalizer = "null", pre_tokenizer = "null", post_processor = "null";
  std::string decoder = "null";
  // In order of definition; their ids may or may not be in the vocabulary too.
  std::vector<AddedToken> added_tokens;

  // Byte-level parts around a splitting expression; "" for GPT-2's own, which ByteLevel has inside.
  static PipelineSpec byte_level(std::string_view split_regex);
};

class PipelineTokenizer : public Tokenizer {
 public:
  // Makes the model once it is known whether words are bytes or text.
  using ModelMaker = std::function<WordModelPtr(bool byte_level)>;

  // Throws when a part is not supported or they do not fit together; `where` opens the message.
  PipelineTokenizer(const PipelineSpec& spec, const ModelMaker& make_model,
                    const std::string& where);
  ~PipelineTokenizer() override;

  std::string kind() const override { return model_->kind(); }
  int32_t vocab_size() const override { return table_.size(); }
  void encode_to(std::string_view text, const EncodeOptions& options,
                 std::vector<int32_t>& ids) const override;
  std::string decode(std::span<const int32_t> ids, bool skip_special = false) const override;
  std::string_view token_bytes(int32_t id) const override { return table_.at(id); }
  std::string_view first_token_bytes(int32_t id) const override;
  TextTrim text_trim() const override { return decoder_.trim(); }
  std::optional<int32_t> token_id(std::string_view bytes) const override;
  bool is_special(int32_t id) const override { return table_.is_special(id); }
  std::string to_json() const override;

  const WordModel& model() const { return *model_; }
  const PipelineSpec& spec() const { return spec_; }

 private:
  struct Scratch;  // one thread's working memory
  class ScratchLease;
  struct Parsed;  // the parts of the spec as JSON values, while they are read

  PipelineTokenizer(PipelineSpec spec, const ModelMaker& make_model, const Parsed& parsed);
  // Parts of the text that can be encoded each by itself.
  std::vector<std::string_view> cut(std::string_view text) const;
  // One such part, or a whole text.
  void encode_part(std::string_view text, bool at_start, bool parse_special, Scratch& scratch,
                   std::vector<int32_t>& ids) const;
  void encode_in_parallel(std::span<const std::string_view> parts, const EncodeOptions& options,
                          Scratch& scratch, std::vector<int32_t>& ids) const;
  void add_token_bytes();
  const std::unordered_map<std::string_view, int32_t>& id_of_bytes() const;
  void normalize_added_tokens();
  // What stands between added tokens, normalised.
  void encode_text(std::string_view text, bool at_start, Scratch& scratch,
                   std::vector<int32_t>& ids) const;

  PipelineSpec spec_;
  NormalizerPtr normalizer_;
  PreTokenizer pre_tokenizer_;
  PostProcessor post_processor_;
  TokenDecoder decoder_;
  WordModelPtr model_;
  TokenTable table_;                         // behind other tokens
  std::unique_ptr<TokenTable> first_table_;  // at the beginning, where that differs
  std::unordered_map<std::string_view, int32_t> id_of_content_;  // of added tokens
  mutable std::once_flag id_of_bytes_made_;
  mutable std::unordered_map<std::string_view, int32_t> id_of_bytes_;
  std::vector<AddedToken> findable_;  // added tokens as they stand in normalised text
  AddedTokens added_tokens_;
  bool cuts_at_words_ = false;         // find_word_cut ends a part where no added token stands
  const int32_t* byte_ids_ = nullptr;  // when every byte is a token and nothing else happens

  mutable WordCache words_;  // of all threads
  // Idle working memories.  encode_to borrows one; as many exist as threads encode at once.
  mutable std::mutex idle_mutex_;
  mutable std::vector<std::unique_ptr<Scratch>> idle_;
};

}  // namespace rmkv
