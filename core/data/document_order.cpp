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
  add_generation(0, 0, source_, ValidationSplit(source_, options_.validation_share), 0);
  decided_ = generations_.back().pass_length;
}

void DocumentOrder::add_generation(uint64_t first, uint64_t epoch, SourcePtr source,
                                   ValidationSplit validation, uint64_t begin) const {
  auto blocks = blocks_of(source);
  const uint64_t end = blocks == nullptr ? source->document_count() : blocks->block_count();
  Generation made{first, epoch, looks_, source, blocks,     std::move(validation),
                  begin, end,   1,      1,      end - begin};
  if (source->document_count() == 0) fail("source " + name_, "no documents", "at least one");
  if (made.blocks != nullptr) {
    made.window_size =
        std::clamp<uint64_t>(kWindowBytes / made.blocks->block_text_bytes(), 1, kLargestWindow);
    made.windows = (end - begin + made.window_size - 1) / made.window_size;
    made.pass_length = made.windows * kPlaces;
  }
  generations_.push_back(std::move(made));
}

void DocumentOrder::add_pass() const {
  const Generation& last = generations_.back();
  const uint64_t epoch = last.first_epoch + (decided_ - 1 - last.first) / last.pass_length;
  SourcePtr grown = source_->at_look(++looks_);
  if (grown != nullptr) {
    const auto blocks = blocks_of(grown);
    const uint64_t end = blocks == nullptr ? grown->document_count() : blocks->block_count();
    // Files without a single document are no pass.
    if (end == last.end) grown = nullptr;
  }
  if (grown != nullptr) {
    add_generation(decided_, epoch, grown, last.validation.for_grown(grown), last.end);
  } else if (last.partial()) {
    add_generation(decided_, epoch + 1, last.source, last.validation, 0);
  }
  decided_ += generations_.back().pass_length;
}

const DocumentOrder::Generation& DocumentOrder::generation(uint64_t ordinal) const {
  while (options_.endless && source_->grows() && ordinal >= decided_) add_pass();
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
    uint64_t passed = (ordinal - at.first) / at.pass_length;
    if (options_.epochs > 0 && at.first_epoch + passed >= options_.epochs) return std::nullopt;
    uint64_t begin = at.first + passed * at.pass_length;
    uint64_t end = at.pass_length > UINT64_MAX / 2 ? UINT64_MAX : begin + at.pass_length;
    auto found =
        at.blocks == nullptr ? next_flat(at, ordinal, end) : next_in_blocks(at, ordinal, end);
    if (found) return found;
    if ((ordinal == begin && !at.partial()) || end == UINT64_MAX) {
      fail("source " + name_, "no document in this part of the split", "at least one",
           "hold out another share, or give more documents");
    }
    ordinal = end;
  }
}

std::optional<OrderedDocument> DocumentOrder::next_flat(const Generation& at, uint64_t ordinal,
                                                        uint64_t end) const {
  const bool endless = at.end == DocumentSource::kUnlimited;
  const uint64_t count = at.end - at.begin;
  const uint64_t epoch = endless ? 0 : at.first_epoch + (ordinal - at.first) / count;
  for (uint64_t skipped = 0; ordinal < end && skipped <= kLargestGap; ++skipped, ++ordinal) {
    uint64_t id = ordinal;
    if (!endless)
      id = at.begin +
           permuted_index((ordinal - at.first) % count, count, options_.seed, name_, epoch);
    if (at.validation.contains(options_.split, id)) return OrderedDocument{ordinal, id};
  }
  return std::nullopt;
}

std::vector<uint64_t> DocumentOrder::window_blocks(const Generation& at, uint64_t number) const {
  uint64_t local = number - at.first / kPlaces;
  uint64_t count = at.end - at.begin, epoch = at.first_epoch + local / at.windows;
  uint64_t begin = local % at.windows * at.window_size,
           end = std::min(count, begin + at.window_size);
  std::vector<uint64_t> list;
  for (uint64_t i = begin; i < end; ++i)
    list.push_back(at.begin + permuted_index(i, count, options_.seed, name_, epoch));
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
  // What comes behind the last document of a pass is decided when somebody reads on.
  if (source_->grows() && ordinal > 0) --ordinal;
  const Generation& at = generation(ordinal);
  if (!options_.endless && at.blocks != nullptr) return 0;
  return at.first_epoch + (ordinal - at.first) / at.pass_length;
}

uint64_t DocumentOrder::looks(uint64_t ordinal) const {
  if (ordinal == 0 || !options_.endless || !source_->grows()) return 0;
  const Generation& at = generation(ordinal - 1);
  return at.looks + (ordinal - 1 - at.first) / at.pass_length;
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
    // What the next pass reads is not known yet.
    const bool last = source_->grows() && mark * kPlaces >= decided_;
    if (mark == loaded_ahead_ || last) return;
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
