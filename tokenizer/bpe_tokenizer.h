// Byte-level BPE: added tokens are found, the rest is split into words, each word's bytes are
// merged.
//
// GPT-2 (Radford et al. 2019) and what followed it: GPT-4's cl100k, Llama-3, Qwen2.  Bytes alone
// (no merges) are the same with nothing to merge.
#pragma once

#include <memory>
#include <mutex>
#include <unordered_map>

#include "tokenizer/bpe_spec.h"
#include "tokenizer/merge_table.h"
#include "tokenizer/splitter.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/whole_words.h"

namespace rmkv {

class BpeTokenizer : public Tokenizer {
 public:
  // Throws when the spec contradicts itself; `where` opens the message.
  BpeTokenizer(BpeSpec spec, const std::string& where);
  ~BpeTokenizer() override;

  std::string kind() const override { return merges_.merges().empty() ? "bytes" : "bpe"; }
  int32_t vocab_size() const override { return static_cast<int32_t>(offsets_.size()) - 1; }
  void encode_to(std::string_view text, const EncodeOptions& options,
                 std::vector<int32_t>& ids) const override;
  std::string decode(std::span<const int32_t> ids, bool skip_special = false) const override;
  std::string_view token_bytes(int32_t id) const override;
  std::optional<int32_t> token_id(std::string_view bytes) const override;
  bool is_special(int32_t id) const override;
  std::string to_json() const override;

  const BpeSpec& spec() const { return spec_; }

 private:
  struct Scratch;  // one thread's working memory: cache of words, buffers
  class ScratchLease;

  void add_bytes_of_tokens();
  void add_whole_words();
  void encode_text(std::string_view text, Scratch& scratch, std::vector<int32_t>& ids) const;
  void encode_step(size_t step, std::string_view text, Scratch& scratch,
                   std::vector<int32_t>& ids) const;
  void encode_words(std::span<const std::string_view> words, const char* text_end, Scratch& scratch,
                    std::vector<int32_t>& ids) const;
  void merge_word(std::string_view word, Scratch& scratch) const;

  BpeSpec spec_;
  int32_t byte_ids_[256];  // -1 for a byte that the vocabulary lacks
  MergeTable merges_;
  std::string bytes_;                                            // of all tokens, one after another
  std::vector<uint32_t> offsets_;                                // [vocab_size + 1] into bytes_
  std::vector<bool> special_;                                    // [vocab_size]
  std::unordered_map<std::string_view, int32_t> id_of_bytes_;    // the model's vocabulary
  std::unordered_map<std::string_view, int32_t> id_of_content_;  // added tokens
  WholeWords whole_words_;
  AddedTokens added_tokens_;
  std::vector<SplitterPtr> splitters_;
  bool only_bytes_;  // nothing to merge or split: one look-up per byte

  // Idle working memories.  encode_to borrows one, so that caches stay warm from call to call and
  // as many exist as threads encode at once.
  mutable std::mutex idle_mutex_;
  mutable std::vector<std::unique_ptr<Scratch>> idle_;
};

}  // namespace rmkv
