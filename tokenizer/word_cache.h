// The encoders' memory of words they have merged: word -> token ids.  One for all threads, of
// bounded size.
//
// Text repeats itself: of all words in English books about one in a hundred is new, so most of
// encoding is this look-up.  A word has two places in one cache line, and two in the neighbouring
// one when they are taken.  Entries are never changed, so reading takes no lock; who enters a word
// takes one, and goes on without when another thread has it.  A full table is followed by a larger
// one with the same words, the largest by an empty one.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>

#include "tokenizer/huge_pages.h"
#include "tokenizer/word_key.h"

namespace rmkv {

// The words of one time, as an encoder holds them while it works.
class WordTable {
 public:
  static constexpr uint32_t kInlineIds = 3;

  struct Entry {
    // Inline ids, or in ids[0] the place in `spilled_` when there are more than kInlineIds.
    int32_t ids[kInlineIds];
    uint32_t count;
    // A WordKey; `high` is written last, and is 0 in a free entry.
    std::atomic<uint64_t> low, high;

    bool is(const WordKey& key) const {
      const uint64_t this_low = low.load(std::memory_order_relaxed);
      return ((this_low ^ key.low) | (high.load(std::memory_order_acquire) ^ key.high)) == 0;
    }
  };

  explicit WordTable(size_t buckets);  // a power of two

  // Call some words ahead of `find`.
  void prefetch(uint64_t hash) const { __builtin_prefetch(&buckets_[hash >> shift_]); }

  // The entry of the word where it belongs, or nullptr.
  const Entry* find(const WordKey& key, uint64_t hash) const {
    return find_in(hash >> shift_, key);
  }
  // The same where a word goes that found no room.
  const Entry* find_next_door(const WordKey& key, uint64_t hash) const {
    return find_in(hash >> shift_ ^ 1, key);
  }

  std::span<const int32_t> ids(const Entry& entry) const {
    return {entry.count > kInlineIds ? &spilled_[entry.ids[0]] : entry.ids, entry.count};
  }

  size_t buckets() const { return size_; }

  // For one thread at a time.  Adds a word, unless its places are taken; false when there is no
  // room for its tokens.  Two threads may find a word new and both add it: either entry is right.
  bool add(const WordKey& key, uint64_t hash, std::span<const int32_t> ids);
  // Adds the words of a smaller table to an empty one.
  void add_all(const WordTable& other);
  // How many words were added.
  size_t words() const { return words_; }

 private:
  struct alignas(64) Bucket {
    Entry entries[2];
  };

  const Entry* find_in(size_t bucket, const WordKey& key) const {
    const Entry* const entries = buckets_[bucket].entries;
    // Without a branch on which of the two it is: that would be mispredicted every other time.
    const Entry* entry = entries + !entries[0].is(key);
    return entry->is(key) ? entry : nullptr;
  }
  Entry* free_entry(uint64_t hash);

  size_t size_;  // of buckets_
  int shift_;    // 64 - log2(size_)
  std::unique_ptr<Bucket[], FreePages> buckets_;
  size_t spilled_capacity_;
  std::unique_ptr<int32_t[]> spilled_;
  // What a newcomer changes, in a cache line that finding does not read.
  alignas(64) size_t words_ = 0;
  size_t spilled_size_ = 0;
};

class WordCache {
 public:
  WordCache();

  // The table of now.  Hold it as long as its entries are used.
  std::shared_ptr<const WordTable> table() const;
  bool is_current(const WordTable* table) const {
    return current_.load(std::memory_order_relaxed) == table;
  }

  // Remembers a word and its tokens, if there is room and no other thread is entering one.
  void insert(const WordKey& key, uint64_t hash, std::span<const int32_t> ids);

 private:
  // From 32 KiB, for short prompts, to 8 MiB; the last is of whole huge pages.
  static constexpr size_t kSizes[] = {size_t{1} << 9, size_t{1} << 11, size_t{1} << 13,
                                      size_t{1} << 15, size_t{1} << 17};

  void replace_table();

  std::atomic<const WordTable*> current_;
  alignas(64) std::atomic_flag busy_;  // who has set it may add words
  mutable std::mutex mutex_;           // guards the pointer
  std::shared_ptr<WordTable> table_;
};

}  // namespace rmkv
