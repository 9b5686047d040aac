// BPE: the symbols of a word are merged pair by pair, the pair of lowest rank first.
//
// Over bytes (GPT-2, Radford et al. 2019; Llama-3, Qwen2) or over characters with bytes for what
// the vocabulary lacks (Llama-2, Mistral).  Sennrich, Haddow, Birch 2016.
#pragma once

#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "tokenizer/bpe_spec.h"
#include "tokenizer/merge_table.h"
#include "tokenizer/text_ids.h"
#include "tokenizer/word_model.h"

namespace rmkv {

class BpeModel : public WordModel {
 public:
  // Throws when the spec contradicts itself; `where` opens the message.
  BpeModel(BpeSpec spec, const std::string& where);

  std::string kind() const override { return merges_.merges().empty() ? "bytes" : "bpe"; }
  const std::vector<std::string>& entries() const override { return spec_.entries; }
  void encode_word(std::string_view word, WordScratch& scratch) const override;
  const WholeWords* whole_words() const override { return &whole_words_; }
  const Splitter* cuts() const override { return cuts_.get(); }
  const Splitter* long_word_cuts() const override { return long_word_cuts_.get(); }
  double dropout() const override { return spec_.dropout; }
  const int32_t* byte_ids() const override { return only_bytes_ ? byte_ids_ : nullptr; }
  std::string to_json() const override;

  const BpeSpec& spec() const { return spec_; }

 private:
  // The words that the vocabulary knows, as they stand in text.
  void add_words();
  void find_symbols();
  void find_affixed_symbols();
  void add_whole_words();
  void split_bytes(std::string_view word, std::vector<int32_t>& ids) const;
  void split_characters(std::string_view word, std::vector<int32_t>& ids) const;
  int32_t find(std::string_view text) const;
  bool has_unknown() const;

  const std::string where_;
  BpeSpec spec_;
  MergeTable merges_;
  std::string bytes_;                    // of all words, one after another
  std::vector<std::string_view> words_;  // by id, views into bytes_; empty where there is none
  TextIds id_of_;                        // only where words are looked up whole
  std::unordered_map<uint32_t, int32_t> id_of_character_;  // text only, without affixes
  int32_t byte_ids_[256];             // the token of a byte (over characters: <0x..>), or -1
  int32_t ascii_ids_[128];            // over characters: of the ASCII ones, or -1
  std::vector<int32_t> affixed_ids_;  // of bytes with affixes: [place in the word, 256], or -1
  bool plain_;                        // no affixes
  bool only_bytes_ = false;
  WholeWords whole_words_;
  SplitterPtr cuts_, long_word_cuts_;
};

}  // namespace rmkv
