// The word models that need no merges: whole words, WordPiece, Unigram.
#pragma once

#include <string>
#include <unordered_map>
#include <vector>

#include "tokenizer/byte_trie.h"
#include "tokenizer/json_node.h"
#include "tokenizer/word_model.h"

namespace rmkv {

// A vocabulary read from a file, with the file's own text for writing it again.
class FileModel : public WordModel {
 public:
  const std::vector<std::string>& entries() const override { return entries_; }
  std::string to_json() const override { return json_; }

 protected:
  // `entries`: by id.
  FileModel(const JsonNode& model, std::vector<std::string> entries);
  int32_t find(std::string_view text) const;
  // The id of the member `key`, a text; -1 when it is missing from the vocabulary.
  int32_t id_of_member(const JsonNode& model, const char* key) const;

  std::string json_;
  std::vector<std::string> entries_;
  std::unordered_map<std::string_view, int32_t> id_of_;
};

// A word is one token or the unknown one.
class WordLevelModel : public FileModel {
 public:
  WordLevelModel(const JsonNode& model, std::vector<std::string> entries);
  std::string kind() const override { return "words"; }
  void encode_word(std::string_view word, WordScratch& scratch) const override;

 private:
  int32_t unknown_id_;
};

// The longest beginning that is in the vocabulary, then the longest of the rest, whose entries have
// a prefix (BERT, Devlin et al. 2019); a word that cannot be written so is one unknown token.
class WordPieceModel : public FileModel {
 public:
  WordPieceModel(const JsonNode& model, std::vector<std::string> entries);
  std::string kind() const override { return "wordpiece"; }
  void encode_word(std::string_view word, WordScratch& scratch) const override;

 private:
  int32_t unknown_id_;
  std::string prefix_;
  int64_t max_characters_;
  size_t longest_ = 0;  // entry, in bytes
};

// The most probable way to write the word in tokens (Kudo 2018), found by Viterbi's algorithm.
class UnigramModel : public FileModel {
 public:
  UnigramModel(const JsonNode& model, std::vector<std::string> entries, std::vector<double> scores);
  std::string kind() const override { return "unigram"; }
  void encode_word(std::string_view word, WordScratch& scratch) const override;

 private:
  void add_token(std::string_view text, std::vector<int32_t>& ids) const;

  std::vector<double> scores_;  // log-probabilities by id
  double unknown_score_;
  int32_t unknown_id_;
  int32_t byte_ids_[256];  // with byte fallback; otherwise -1
  ByteTrie trie_;
};

}  // namespace rmkv
