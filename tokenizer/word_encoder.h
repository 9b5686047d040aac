// One thread's encoder of words: caches in front of a WordModel.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "tokenizer/long_word_cache.h"
#include "tokenizer/word_cache.h"
#include "tokenizer/word_model.h"

namespace rmkv {

class WordEncoder {
 public:
  // `cache`, which all encoders of a model share, must outlive this.
  explicit WordEncoder(WordCache& cache) : cache_(&cache) {}

  // Appends the tokens of the words.  Bytes up to `readable_end` may be read behind each word.
  // Always called with the same model.
  void encode(const WordModel& model, std::span<const std::string_view> words,
              const char* readable_end, std::vector<int32_t>& ids);

  WordScratch& scratch() { return scratch_; }
  // Call after use: gives back the cache's table, and the large buffers that one word of megabytes
  // needed.
  void shrink();

 private:
  // So many words are hashed and prefetched before the first is looked up.
  static constexpr size_t kBatchWords = 256;

  void encode_batch(const WordModel& model, std::span<const std::string_view> words,
                    const char* readable_end, std::vector<int32_t>& ids);
  // A short word that is not where the cache would have it.
  void encode_new_word(const WordModel& model, std::string_view word, const WordKey& key,
                       uint64_t hash, std::vector<int32_t>& ids);
  void append(const WordTable::Entry& entry, std::vector<int32_t>& ids) const;
  // A word over WordKey::kMaxBytes.
  void encode_long_word(const WordModel& model, std::string_view word, const char* readable_end,
                        std::vector<int32_t>& ids);
  // Such a word when it is new: cut where that changes nothing.
  void encode_by_parts(const WordModel& model, std::string_view word, const char* readable_end,
                       std::vector<int32_t>& ids);

  bool in_long_word_ = false;
  WordCache* cache_;
  std::shared_ptr<const WordTable> table_;  // of the cache
  LongWordCache long_words_;
  WordScratch scratch_;
};

}  // namespace rmkv
