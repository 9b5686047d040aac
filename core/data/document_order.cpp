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

std::shared_ptr<const BlockSource> blocks_of(SourcePtr source) {
  while (SourcePtr behind = source->wrapped()) source = behind;
  return std::dynamic_pointer_cast<const BlockSource>(source);
}

}  // namespace

DocumentOrder::DocumentOrder(SourcePtr source, std::string name, OrderOptions options)
    : source_(std::move(source)), name_(std::move(name)), options_(options) {
  add_generation(0, 0, source_, ValidationSplit(source_, options_.validation_share));
}

void DocumentOrder::add_generation(uint64_t first, uint64_t epoch, SourcePtr source,
                                   ValidationSplit validation) const {
  uint64_t count = source->document_count();
  if (count == 0) fail("source " + name_, "no documents", "at least one");
  Generation made{first, epoch, source, blocks_of(source), std::move(validation), 1, 1, count};
  if (made.blocks != nullptr) {
    made.window_size =
        std::clamp<uint64_t>(kWindowBytes / made.blocks->block_text_bytes(), 1, kLargestWindow);
    made.windows = (made.blocks->block_count() + made.window_size - 1) / made.window_size;
    made.epoch_length = made.windows * kPlaces;
  }
  generations_.push_back(std::move(made));
}

const DocumentOrder::Generation& DocumentOrder::generation(uint64_t ordinal) const {
  while (options_.endless && source_->grows()) {
    const Generation& last = generations_.back();
    uint64_t begin = last.first + (decided_ + 1 - last.first_epoch) * last.epoch_length;
    if (ordinal < begin) break;
    SourcePtr grown = source_->at_epoch(++decided_);
    if (grown != nullptr) add_generation(begin, decided_, grown, last.validation.for_grown(grown));
  }
  auto at = generations_.end() - 1;
  while (at->first > ordinal) --at;
  return *at;
}

std::optional<OrderedDocument> DocumentOrder::next(uint64_t ordinal) const {
  if (!options_.endless) {
    const Generation& only = generations_.front();
    for (auto id = source_->first_from(ordinal); id; id = source_->first_from(*id + 1)) {
      if (only.validation.contains(options_.split, *id)) return OrderedDocument{*id, *id};
    }
    return std::nullopt;
  }
  while (true) {
    const Generation& at = generation(ordinal);
    uint64_t passed = (ordinal - at.first) / at.epoch_length;
    if (options_.epochs > 0 && at.first_epoch + passed >= options_.epochs) return std::nullopt;
    uint64_t begin = at.first + passed * at.epoch_length;
    uint64_t end = at.epoch_length > UINT64_MAX / 2 ? UINT64_MAX : begin + at.epoch_length;
    auto found =
        at.blocks == nullptr ? next_flat(at, ordinal, end) : next_in_blocks(at, ordinal, end);
    if (found) return found;
    if (ordinal == begin || end == UINT64_MAX) {
      fail("source " + name_, "no document in this part of the split", "at least one",
           "hold out another share, or give more documents");
    }
    ordinal = end;
  }
}

std::optional<OrderedDocument> DocumentOrder::next_flat(const Generation& at, uint64_t ordinal,
                                                        uint64_t end) const {
  uint64_t count = at.source->document_count();
  bool endless = count == DocumentSource::kUnlimited;
  uint64_t epoch = endless ? 0 : at.first_epoch + (ordinal - at.first) / count;
  for (uint64_t skipped = 0; ordinal < end && skipped <= kLargestGap; ++skipped, ++ordinal) {
    uint64_t id = ordinal;
    if (!endless)
      id = permuted_index((ordinal - at.first) % count, count, options_.seed, name_, epoch);
    if (at.validation.contains(options_.split, id)) return OrderedDocument{ordinal, id};
  }
  return std::nullopt;
}

std::vector<uint64_t> DocumentOrder::window_blocks(const Generation& at, uint64_t number) const {
  uint64_t local = number - at.first / kPlaces;
  uint64_t count = at.blocks->block_count(), epoch = at.first_epoch + local / at.windows;
  uint64_t begin = local % at.windows * at.window_size,
           end = std::min(count, begin + at.window_size);
  std::vector<uint64_t> list;
  for (uint64_t i = begin; i < end; ++i)
    list.push_back(permuted_index(i, count, options_.seed, name_, epoch));
  return list;
}

const DocumentOrder::Window& DocumentOrder::window(const Generation& at, uint64_t number) const {
  for (const Window& known : recent_) {
    if (known.number == number) return known;
  }
  Window made;
  made.number = number;
  made.blocks = window_blocks(at, number);
  made.first.push_back(0);
  for (uint64_t block : made.blocks)
    made.first.push_back(made.first.back() + at.blocks->rows(block));
  if (made.first.back() >= kPlaces) {
    fail("source " + name_, std::to_string(made.first.back()) + " documents in 16 MiB",
         "fewer than " + std::to_string(kPlaces));
  }
  if (recent_.size() == kWindowsKept) recent_.pop_front();
  recent_.push_back(std::move(made));
  return recent_.back();
}

std::optional<OrderedDocument> DocumentOrder::next_in_blocks(const Generation& at, uint64_t ordinal,
                                                             uint64_t end) const {
  uint64_t place = ordinal % kPlaces;
  for (uint64_t number = ordinal / kPlaces; number < end / kPlaces; ++number, place = 0) {
    const Window& here = window(at, number);
    uint64_t count = here.first.back();
    for (; place < count; ++place) {
      uint64_t mixed = permuted_index(place, count, options_.seed, name_ + "/rows", number);
      auto next = std::upper_bound(here.first.begin(), here.first.end(), mixed);
      size_t inside = static_cast<size_t>(next - here.first.begin()) - 1;
      uint64_t id = here.blocks[inside] << BlockSource::kRowBits | (mixed - here.first[inside]);
      if (at.validation.contains(options_.split, id))
        return OrderedDocument{number * kPlaces + place, id};
    }
  }
  return std::nullopt;
}

uint64_t DocumentOrder::epoch(uint64_t ordinal) const {
  const Generation& at = generation(ordinal);
  if (!options_.endless && at.blocks != nullptr) return 0;
  return at.first_epoch + (ordinal - at.first) / at.epoch_length;
}

uint64_t DocumentOrder::round() const {
  uint64_t count = generations_.back().source->document_count();
  return count == DocumentSource::kUncounted ? kLargestGap : count;
}

void DocumentOrder::load_ahead(uint64_t ordinal, WorkerPool& pool) const {
  const Generation& at = generation(ordinal);
  if (at.blocks == nullptr) return;
  std::vector<uint64_t> wanted;
  uint64_t mark;
  if (options_.endless) {
    mark = ordinal / kPlaces + 1;
    if (mark == loaded_ahead_) return;
    wanted = window_blocks(at, mark);
  } else {
    mark = BlockSource::block_of(ordinal) + 1;
    if (mark == loaded_ahead_ || mark >= at.blocks->block_count()) return;
    wanted = {mark};
  }
  loaded_ahead_ = mark;
  for (uint64_t block : wanted) {
    pool.submit([source = at.blocks, block] {
      try {
        source->block(block);
      } catch (...) {
        // Whoever needs the block meets the error.
      }
    });
  }
}

}  // namespace rmkv
