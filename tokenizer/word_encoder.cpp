// The encoding loop: pack and prefetch a batch of words, then look each up.
#include "tokenizer/word_encoder.h"

#include <algorithm>
#include <array>
#include <cstring>

namespace rmkv {
namespace {

// The longest word whose buffers stay for the next call.
constexpr size_t kKeptSymbols = size_t{1} << 16;

// In the place of a word that is too long for a key.
constexpr WordKey kNoKey{~uint64_t{0}, ~uint64_t{0}};

}  // namespace

void WordEncoder::shrink() {
  in_long_word_ = false;  // after an error it may still be set
  table_ = nullptr;
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
  if (word.size() > LongWordCache::kMaxBytes) {
    return encode_by_parts(model, word, readable_end, ids);
  }
  const uint64_t hash = LongWordCache::hash_of(word);
  if (const auto known = long_words_.find(word, hash)) {
    ids.insert(ids.end(), known->begin(), known->end());
    return;
  }
  const size_t first = ids.size();
  encode_by_parts(model, word, readable_end, ids);
  long_words_.insert(word, hash, std::span(ids).subspan(first));
}

void WordEncoder::encode_by_parts(const WordModel& model, std::string_view word,
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
  if (!in_long_word_ && !cache_->is_current(table_.get())) table_ = cache_->table();
  // Not read again for every word.
  const WordTable& table = *table_;
  WordKey keys[kBatchWords];
  uint64_t hashes[kBatchWords];
  for (size_t i = 0; i < words.size(); ++i) {
    const bool is_short = words[i].size() <= WordKey::kMaxBytes;
    keys[i] = kNoKey;
    hashes[i] = 0;
    if (!is_short) [[unlikely]]
      continue;
    keys[i] = WordKey::pack(words[i], readable_end - words[i].data() >= 16);
    hashes[i] = keys[i].hash();
    table.prefetch(hashes[i]);
  }
  // Ids are gathered here: each word writes kInlineIds, and the next overwrites what was too much.
  int32_t gathered[kBatchWords * WordTable::kInlineIds + 1];
  size_t count = 0;
  for (size_t i = 0; i < words.size(); ++i) {
    const WordTable::Entry* const entry = table.find(keys[i], hashes[i]);
    if (entry != nullptr && entry->count <= WordTable::kInlineIds) [[likely]] {
      std::memcpy(gathered + count, entry->ids, 16);  // three ids and, to be overwritten, the count
      count += entry->count;
      continue;
    }
    ids.insert(ids.end(), gathered, gathered + count);
    count = 0;
    if (entry != nullptr) {
      append(*entry, ids);
    } else if (words[i].size() > WordKey::kMaxBytes) {
      encode_long_word(model, words[i], readable_end, ids);
    } else {
      encode_new_word(model, words[i], keys[i], hashes[i], ids);
    }
  }
  ids.insert(ids.end(), gathered, gathered + count);
}

void WordEncoder::append(const WordTable::Entry& entry, std::vector<int32_t>& ids) const {
  const std::span<const int32_t> found = table_->ids(entry);
  ids.insert(ids.end(), found.begin(), found.end());
}

void WordEncoder::encode_new_word(const WordModel& model, std::string_view word, const WordKey& key,
                                  uint64_t hash, std::vector<int32_t>& ids) {
  const WholeWords* const whole_words = model.whole_words();
  if (whole_words != nullptr) whole_words->prefetch(hash);
  if (const WordTable::Entry* const entry = table_->find_next_door(key, hash)) {
    return append(*entry, ids);
  }
  const int32_t whole = whole_words != nullptr ? whole_words->find(key, hash) : -1;
  if (whole >= 0) {
    ids.push_back(whole);
    return cache_->insert(key, hash, {&whole, 1});
  }
  model.encode_word(word, scratch_);
  const std::vector<int32_t>& found = scratch_.merge.ids;
  ids.insert(ids.end(), found.begin(), found.end());
  cache_->insert(key, hash, found);
}

}  // namespace rmkv
