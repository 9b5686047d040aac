// The words that any thread has merged, so that no other thread merges them again: a table that
// only grows, without locks.
//
// A thread's own cache (word_cache.h) is asked first; of a text in several threads each sees nearly
// all words, and merging is what a new word costs.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>

#include "tokenizer/huge_pages.h"
#include "tokenizer/word_key.h"

namespace rmkv {

class SharedWords {
 public:
  static constexpr uint32_t kMaxIds = 3;

  SharedWords();

  // Copies the tokens of the word to `ids`, which has room for kMaxIds, and returns how many; 0
  // when the word is not known.
  uint32_t find(const WordKey& key, uint64_t hash, int32_t* ids) const;

  // Remembers a word that was not found; what has more than kMaxIds tokens, or no room, is left
  // out.
  void insert(const WordKey& key, uint64_t hash, std::span<const int32_t> ids);

 private:
  static constexpr int kBits = 17;  // 4 MiB
  static constexpr size_t kSlots = size_t{1} << kBits;
  static constexpr size_t kProbes = 8;

  // Written once: a thread that takes it from kFree to kTaken fills it and sets its state to the
  // number of ids, from when on it does not change.
  static constexpr uint32_t kFree = 0, kTaken = 0xFFFFFFFF;
  struct alignas(32) Slot {
    std::atomic<uint32_t> state{kFree};
    int32_t ids[kMaxIds] = {};
    WordKey key{0, 0};
  };

  std::unique_ptr<Slot[], FreePages> slots_;
};

}  // namespace rmkv
