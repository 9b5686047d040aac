// Blocks in memory.
#include "core/data/block_source.h"

#include <algorithm>

namespace rmkv {

namespace {

// Two windows of a stream (document_order.h) and what lanes that lag behind read.
constexpr size_t kHeldBytes = size_t{48} << 20;
constexpr uint64_t kSmallBytes = uint64_t{32} << 20;

}  // namespace

std::optional<uint64_t> BlockSource::first_from(uint64_t id) const {
  for (uint64_t at = block_of(id), row = row_of(id); at < block_count(); ++at, row = 0) {
    if (row < rows(at)) return at << kRowBits | row;
  }
  return std::nullopt;
}

std::optional<uint64_t> BlockSource::nth(uint64_t n) const {
  std::vector<uint64_t> first;
  {
    std::lock_guard lock(mutex_);
    first = first_;
  }
  if (first.empty()) first.push_back(0);
  while (first.back() <= n && first.size() <= block_count())
    first.push_back(first.back() + rows(first.size() - 1));
  auto next = std::upper_bound(first.begin(), first.end(), n);
  std::optional<uint64_t> found;
  if (next != first.end())
    found = static_cast<uint64_t>(next - first.begin() - 1) << kRowBits | (n - *(next - 1));
  std::lock_guard lock(mutex_);
  if (first.size() > first_.size()) first_ = std::move(first);
  return found;
}

void BlockSource::count_small() {
  if (block_count() * block_text_bytes() > kSmallBytes) return;
  uint64_t count = 0;
  for (uint64_t i = 0; i < block_count(); ++i) count += rows(i);
  count_ = count;
}

void BlockSource::forget_old() const {
  while (held_bytes_ > kHeldBytes && recent_.size() > 1) {
    held_bytes_ -= recent_.back().second->bytes();
    recent_.pop_back();
  }
}

std::shared_ptr<const RowBlock> BlockSource::block(uint64_t index) const {
  std::promise<Shared> promise;
  std::shared_future<Shared> future;
  {
    std::lock_guard lock(mutex_);
    for (auto at = recent_.begin(); at != recent_.end(); ++at) {
      if (at->first != index) continue;
      recent_.splice(recent_.begin(), recent_, at);
      return at->second;
    }
    auto found = loading_.find(index);
    if (found != loading_.end()) {
      future = found->second;
    } else {
      loading_[index] = promise.get_future().share();
    }
  }
  if (future.valid()) return future.get();
  Shared loaded;
  std::exception_ptr error;
  try {
    loaded = load(index);
    if (loaded->rows() >= kMostRows)
      fail("source " + name(), std::to_string(loaded->rows()) + " rows in a block",
           "fewer than " + std::to_string(kMostRows));
  } catch (...) {
    error = std::current_exception();
  }
  std::lock_guard lock(mutex_);
  loading_.erase(index);
  if (error) {
    promise.set_exception(error);
    std::rethrow_exception(error);
  }
  recent_.emplace_front(index, loaded);
  held_bytes_ += loaded->bytes();
  forget_old();
  promise.set_value(loaded);
  return loaded;
}

}  // namespace rmkv
