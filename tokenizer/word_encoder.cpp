// The encoding loop: pack and prefetch a batch of words, then look each up.
#include "tokenizer/word_encoder.h"

#include <algorithm>
#include <array>
#include <cstring>

namespace rmkv {
namespace {

// The longest word whose buffers stay for the next call.
constexpr size_t kKeptSymbols = size_t{1} << 16;

}  // namespace

void WordEncoder::shrink() {
  in_long_word_ = false;  // after an error it may still be set
  if (scratch_.merge.ids.capacity() > kKeptSymbols) scratch_.merge = MergeScratch();
  if (scratch_.nodes.capacity() > kKeptSymbols) scratch_.nodes = {};
}

void WordEncoder::encode(const WordModel& model, std::span<const std::string_view> words,
                         const char* readable_end, std::vector<int32_t>& ids) {
  if (scratch_.dropout != nullptr) {
    for (const std::string_view word : words) {
      model.encode_word(word, scratch_);
      ids.insert(ids.end(), scratch_.merge.ids.begin(), scratch_.merge.ids.end());
    }
    return;
  }
  for (size_t i = 0; i < words.size(); i += kBatchWords) {
    encode_batch(model, words.subspan(i, std::min(kBatchWords, words.size() - i)), readable_end,
                 ids);
  }
}

void WordEncoder::encode_long_word(const WordModel& model, std::string_view word,
                                   const char* readable_end, std::vector<int32_t>& ids) {
  const Splitter* const cuts = in_long_word_ ? nullptr : model.long_word_cuts();
  if (cuts == nullptr) {
    model.encode_word(word, scratch_);
    ids.insert(ids.end(), scratch_.merge.ids.begin(), scratch_.merge.ids.end());
    return;
  }
  in_long_word_ = true;
  std::array<std::string_view, 64> parts;
  for (size_t begin = 0; begin < word.size();) {
    const size_t count = cuts->split(word, begin, parts);
    begin = static_cast<size_t>(parts[count - 1].data() + parts[count - 1].size() - word.data());
    encode_batch(model, {parts.data(), count}, readable_end, ids);
  }
  in_long_word_ = false;
}

void WordEncoder::encode_batch(const WordModel& model, std::span<const std::string_view> words,
                               const char* readable_end, std::vector<int32_t>& ids) {
  WordKey keys[kBatchWords];
  uint64_t hashes[kBatchWords];
  for (size_t i = 0; i < words.size(); ++i) {
    if (words[i].size() > WordKey::kMaxBytes) continue;
    keys[i] = WordKey::pack(words[i], readable_end - words[i].data() >= 16);
    hashes[i] = keys[i].hash();
    cache_.prefetch(hashes[i]);
  }
  // Short words' ids are gathered here: each writes kInlineIds, and the next overwrites what was
  // too much.
  int32_t gathered[kBatchWords * WordKey::kMaxBytes + WordCache::kInlineIds + 1];
  size_t count = 0;
  const WholeWords* const whole_words = model.whole_words();
  for (size_t i = 0; i < words.size(); ++i) {
    const int32_t* word_ids = nullptr;
    size_t word_count = 0;
    const bool is_short = words[i].size() <= WordKey::kMaxBytes;
    const WordCache::Entry* const entry = is_short ? cache_.find(keys[i], hashes[i]) : nullptr;
    if (entry != nullptr && entry->count <= WordCache::kInlineIds) [[likely]] {
      std::memcpy(gathered + count, entry->ids, 16);  // three ids and, to be overwritten, the count
      count += entry->count;
      continue;
    }
    if (!is_short) {
      ids.insert(ids.end(), gathered, gathered + count);
      count = 0;
      encode_long_word(model, words[i], readable_end, ids);
      continue;
    }
    int32_t whole = -1;
    if (entry != nullptr) {
      word_ids = cache_.ids(*entry);
      word_count = entry->count;
    } else {
      if (whole_words != nullptr) whole = whole_words->find(keys[i], hashes[i]);
      if (whole >= 0) {
        word_ids = &whole;
        word_count = 1;
      } else {
        model.encode_word(words[i], scratch_);
        word_ids = scratch_.merge.ids.data();
        word_count = scratch_.merge.ids.size();
      }
      cache_.insert(keys[i], hashes[i], word_ids, word_count);
    }
    if (word_count <= WordKey::kMaxBytes) {
      std::copy(word_ids, word_ids + word_count, gathered + count);
      count += word_count;
    } else {
      ids.insert(ids.end(), gathered, gathered + count);
      ids.insert(ids.end(), word_ids, word_ids + word_count);
      count = 0;
    }
  }
  ids.insert(ids.end(), gathered, gathered + count);
}

}  // namespace rmkv
