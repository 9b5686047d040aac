// Index-function order.
#include "core/data/document_order.h"

#include <algorithm>

#include "core/base/random.h"

namespace rmkv {

namespace {

// Text whose documents are mixed with each other: what a resumed stream reads again at most.
constexpr uint64_t kWindowBytes = uint64_t{16} << 20;
constexpr uint64_t kLargestWindow = 256;  // blocks
constexpr size_t kWindowsKept = 8;
// Of the other split in a row; a share of one in two million is taken for none.
constexpr uint64_t kLargestGap = uint64_t{1} << 26;
constexpr uint64_t kPlaces = BlockSource::kMostRows;

}  // namespace

DocumentOrder::DocumentOrder(SourcePtr source, std::string name, OrderOptions options)
    : source_(std::move(source)),
      blocks_(std::dynamic_pointer_cast<const BlockSource>(source_)),
      name_(std::move(name)),
      options_(options),
      validation_(source_, options.validation_share) {
  if (source_->document_count() == 0) fail("source " + name_, "no documents", "at least one");
  if (blocks_ == nullptr) return;
  window_size_ =
      std::clamp<uint64_t>(kWindowBytes / blocks_->block_text_bytes(), 1, kLargestWindow);
  windows_ = (blocks_->block_count() + window_size_ - 1) / window_size_;
}

std::optional<OrderedDocument> DocumentOrder::next(uint64_t ordinal) const {
  if (!options_.endless) {
    for (auto id = source_->first_from(ordinal); id; id = source_->first_from(*id + 1)) {
      if (validation_.contains(options_.split, *id)) return OrderedDocument{*id, *id};
    }
    return std::nullopt;
  }
  auto ended = [&](uint64_t at) { return options_.epochs > 0 && epoch(at) >= options_.epochs; };
  if (ended(ordinal)) return std::nullopt;
  auto found = blocks_ == nullptr ? next_flat(ordinal) : next_in_blocks(ordinal);
  return ended(found->ordinal) ? std::nullopt : found;
}

std::optional<OrderedDocument> DocumentOrder::next_flat(uint64_t ordinal) const {
  uint64_t count = source_->document_count();
  uint64_t limit = count == DocumentSource::kUnlimited ? kLargestGap : count;
  for (uint64_t skipped = 0; skipped <= limit; ++skipped, ++ordinal) {
    uint64_t id = ordinal;
    if (count != DocumentSource::kUnlimited)
      id = permuted_index(ordinal % count, count, options_.seed, name_, ordinal / count);
    if (validation_.contains(options_.split, id)) return OrderedDocument{ordinal, id};
  }
  fail("source " + name_, "no document in this part of the split", "at least one",
       "hold out another share, or give more documents");
}

std::vector<uint64_t> DocumentOrder::window_blocks(uint64_t number) const {
  uint64_t count = blocks_->block_count(), epoch = number / windows_;
  uint64_t begin = number % windows_ * window_size_, end = std::min(count, begin + window_size_);
  std::vector<uint64_t> list;
  for (uint64_t i = begin; i < end; ++i)
    list.push_back(permuted_index(i, count, options_.seed, name_, epoch));
  return list;
}

const DocumentOrder::Window& DocumentOrder::window(uint64_t number) const {
  for (const Window& known : recent_) {
    if (known.number == number) return known;
  }
  Window made;
  made.number = number;
  made.blocks = window_blocks(number);
  made.first.push_back(0);
  for (uint64_t block : made.blocks) made.first.push_back(made.first.back() + blocks_->rows(block));
  if (made.first.back() >= kPlaces) {
    fail("source " + name_, std::to_string(made.first.back()) + " documents in 16 MiB",
         "fewer than " + std::to_string(kPlaces));
  }
  if (recent_.size() == kWindowsKept) recent_.pop_front();
  recent_.push_back(std::move(made));
  return recent_.back();
}

std::optional<OrderedDocument> DocumentOrder::next_in_blocks(uint64_t ordinal) const {
  uint64_t number = ordinal / kPlaces, place = ordinal % kPlaces;
  for (uint64_t looked = 0; looked <= windows_; ++looked, ++number, place = 0) {
    const Window& at = window(number);
    uint64_t count = at.first.back();
    for (; place < count; ++place) {
      uint64_t mixed = permuted_index(place, count, options_.seed, name_ + "/rows", number);
      auto next = std::upper_bound(at.first.begin(), at.first.end(), mixed);
      size_t inside = static_cast<size_t>(next - at.first.begin()) - 1;
      uint64_t id = at.blocks[inside] << BlockSource::kRowBits | (mixed - at.first[inside]);
      if (validation_.contains(options_.split, id))
        return OrderedDocument{number * kPlaces + place, id};
    }
  }
  fail("source " + name_, "no document in this part of the split", "at least one",
       "hold out another share, or give more documents");
}

uint64_t DocumentOrder::epoch(uint64_t ordinal) const {
  if (blocks_ != nullptr) return options_.endless ? ordinal / kPlaces / windows_ : 0;
  uint64_t count = source_->document_count();
  return count == DocumentSource::kUnlimited ? 0 : ordinal / count;
}

uint64_t DocumentOrder::round() const {
  return source_->document_count() == DocumentSource::kUncounted ? kLargestGap
                                                                 : source_->document_count();
}

void DocumentOrder::load_ahead(uint64_t ordinal, WorkerPool& pool) const {
  if (blocks_ == nullptr) return;
  std::vector<uint64_t> wanted;
  uint64_t mark;
  if (options_.endless) {
    mark = ordinal / kPlaces + 1;
    if (mark == loaded_ahead_) return;
    wanted = window_blocks(mark);
  } else {
    mark = BlockSource::block_of(ordinal) + 1;
    if (mark == loaded_ahead_ || mark >= blocks_->block_count()) return;
    wanted = {mark};
  }
  loaded_ahead_ = mark;
  for (uint64_t block : wanted) {
    pool.submit([source = blocks_, block] {
      try {
        source->block(block);
      } catch (...) {
        // Whoever needs the block meets the error.
      }
    });
  }
}

}  // namespace rmkv
