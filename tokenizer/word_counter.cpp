// Counting words in an open-addressed table, a batch at a time so that the table's lines are there
// when needed.
#include "tokenizer/word_counter.h"

#include <algorithm>
#include <array>

namespace rmkv {
namespace {

constexpr size_t kBatchWords = 256;
constexpr int kInitialBits = 14;

}  // namespace

WordCounter::WordCounter() : slots_(size_t{1} << kInitialBits), shift_(64 - kInitialBits) {}

void WordCounter::add_text(const Splitter& splitter, std::string_view text) {
  std::array<std::string_view, kBatchWords> words;
  std::array<WordKey, kBatchWords> keys;
  std::array<uint64_t, kBatchWords> hashes;
  const char* const text_end = text.data() + text.size();
  for (size_t begin = 0; begin < text.size();) {
    const size_t count = splitter.split(text, begin, words);
    begin = static_cast<size_t>(words[count - 1].data() + words[count - 1].size() - text.data());
    if ((short_count_ + count) * 2 > slots_.size()) grow();
    size_t short_count = 0;
    for (size_t i = 0; i < count; ++i) {
      if (words[i].size() > WordKey::kMaxBytes) {
        ++long_words_[std::string(words[i])];
        continue;
      }
      keys[short_count] = WordKey::pack(words[i], text_end - words[i].data() >= 16);
      hashes[short_count] = keys[short_count].hash();
      __builtin_prefetch(&slots_[hashes[short_count] >> shift_]);
      ++short_count;
    }
    for (size_t i = 0; i < short_count; ++i) add_short(keys[i], hashes[i], 1);
  }
}

void WordCounter::add(const WordCounter& other) {
  for (const Slot& slot : other.slots_) {
    if (slot.key.empty()) continue;
    if ((short_count_ + 1) * 2 > slots_.size()) grow();
    add_short(slot.key, slot.key.hash(), slot.count);
  }
  for (const auto& [word, count] : other.long_words_) long_words_[word] += count;
}

void WordCounter::add_short(const WordKey& key, uint64_t hash, uint64_t count) {
  const size_t mask = slots_.size() - 1;
  for (size_t i = hash >> shift_;; i = (i + 1) & mask) {
    Slot& slot = slots_[i];
    if (slot.key == key) {
      slot.count += count;
      return;
    }
    if (slot.key.empty()) {
      slot = {key, count};
      ++short_count_;
      return;
    }
  }
}

void WordCounter::grow() {
  std::vector<Slot> old(slots_.size() * 2);
  old.swap(slots_);
  --shift_;
  short_count_ = 0;
  for (const Slot& slot : old) {
    if (!slot.key.empty()) add_short(slot.key, slot.key.hash(), slot.count);
  }
}

std::vector<std::pair<std::string, uint64_t>> WordCounter::sorted() const {
  std::vector<std::pair<std::string, uint64_t>> words(long_words_.begin(), long_words_.end());
  words.reserve(size());
  for (const Slot& slot : slots_) {
    if (slot.key.empty()) continue;
    words.emplace_back(std::string(reinterpret_cast<const char*>(&slot.key), slot.key.size_bytes()),
                       slot.count);
  }
  std::sort(words.begin(), words.end());
  return words;
}

}  // namespace rmkv
