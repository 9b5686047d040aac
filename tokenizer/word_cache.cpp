// Insertion into the word cache, and its growth.
#include "tokenizer/word_cache.h"

#include <algorithm>
#include <bit>
#include <iterator>
#include <memory>

namespace rmkv {
namespace {

// Room for the tokens of words with many, for each bucket.
constexpr size_t kSpilledPerBucket = 4;

}  // namespace

WordTable::WordTable(size_t buckets)
    : size_(buckets),
      shift_(64 - std::countr_zero(size_)),
      buckets_(static_cast<Bucket*>(allocate_pages(size_ * sizeof(Bucket)))),
      spilled_capacity_(size_ * kSpilledPerBucket),
      spilled_(std::make_unique_for_overwrite<int32_t[]>(spilled_capacity_)) {
  std::uninitialized_value_construct_n(buckets_.get(), size_);
}

WordTable::Entry* WordTable::free_entry(uint64_t hash) {
  const size_t home = hash >> shift_;
  for (const size_t at : {home, home ^ 1}) {
    for (Entry& entry : buckets_[at].entries) {
      if (entry.high.load(std::memory_order_relaxed) == 0) return &entry;
    }
  }
  return nullptr;
}

bool WordTable::add(const WordKey& key, uint64_t hash, std::span<const int32_t> ids) {
  const bool fits = ids.size() <= kInlineIds;
  if (!fits && spilled_size_ + ids.size() > spilled_capacity_) return false;
  ++words_;  // also of those that find no room: they ask for a larger table
  Entry* const entry = free_entry(hash);
  if (entry == nullptr) return true;
  entry->count = static_cast<uint32_t>(ids.size());
  std::copy(ids.begin(), ids.end(), fits ? entry->ids : &spilled_[spilled_size_]);
  if (!fits) {
    entry->ids[0] = static_cast<int32_t>(spilled_size_);
    spilled_size_ += ids.size();
  }
  entry->low.store(key.low, std::memory_order_relaxed);
  entry->high.store(key.high, std::memory_order_release);
  return true;
}

void WordTable::add_all(const WordTable& other) {
  for (size_t at = 0; at < other.size_; ++at) {
    for (const Entry& entry : other.buckets_[at].entries) {
      const WordKey key{entry.low.load(std::memory_order_relaxed),
                        entry.high.load(std::memory_order_relaxed)};
      if (!key.empty()) add(key, key.hash(), other.ids(entry));
    }
  }
}

WordCache::WordCache() : table_(std::make_shared<WordTable>(kSizes[0])) {
  current_ = table_.get();
}

std::shared_ptr<const WordTable> WordCache::table() const {
  const std::lock_guard lock(mutex_);
  return table_;
}

void WordCache::insert(const WordKey& key, uint64_t hash, std::span<const int32_t> ids) {
  // A word that is left out will come again.
  if (busy_.test_and_set(std::memory_order_acquire)) return;
  const auto release = [](std::atomic_flag* flag) { flag->clear(std::memory_order_release); };
  const std::unique_ptr<std::atomic_flag, decltype(release)> guard(&busy_, release);
  // Half full, or three quarters where there is no larger one.
  const size_t size = table_->buckets();
  const bool is_full = table_->words() > (size < std::end(kSizes)[-1] ? size : size + size / 2);
  if (is_full) replace_table();
  if (table_->add(key, hash, ids)) return;
  replace_table();
  table_->add(key, hash, ids);
}

void WordCache::replace_table() {
  const size_t size = table_->buckets();
  std::shared_ptr<WordTable> next;
  if (size < std::end(kSizes)[-1]) {
    next =
        std::make_shared<WordTable>(*std::upper_bound(std::begin(kSizes), std::end(kSizes), size));
    next->add_all(*table_);
  } else {
    next = std::make_shared<WordTable>(size);
  }
  const std::lock_guard lock(mutex_);
  table_ = std::move(next);
  current_.store(table_.get(), std::memory_order_relaxed);
}

}  // namespace rmkv
