// Lanes, joining, cursors.
#include "core/data/lane_feeder.h"

#include <algorithm>
#include <set>

#include "core/base/cancel.h"
#include "core/data/batch_writer.h"

namespace rmkv {

namespace {

constexpr int64_t kCursorFormat = 1;
constexpr int64_t kLargestBatch = int64_t{1} << 31;  // tokens
constexpr int64_t kBadAlways = 10;                   // bad documents that are never too many
constexpr size_t kReasonsKept = 20;

std::vector<double> weights_of(const std::vector<StreamSource>& sources) {
  std::vector<double> weights;
  for (const StreamSource& entry : sources) weights.push_back(entry.weight);
  return weights;
}

// Sources of one name become name, name#2, ...: names are the purposes of random numbers.
std::vector<std::string> unique_names(const std::vector<StreamSource>& sources) {
  std::vector<std::string> names;
  std::set<std::string> used;
  for (const StreamSource& entry : sources) {
    std::string name = entry.source->name();
    for (int i = 2; !used.insert(name).second; ++i) {
      name = entry.source->name() + "#" + std::to_string(i);
    }
    names.push_back(name);
  }
  return names;
}

int64_t cursor_int(const Table& table, std::string_view key, int64_t low = 0,
                   int64_t high = INT64_MAX) {
  const Value* value = find(table, key);
  if (value == nullptr) fail("cursor", "no '" + std::string(key) + "'", "a cursor of this stream");
  int64_t number = value->as_int();
  if (number < low || number > high) {
    fail("cursor: " + std::string(key), std::to_string(number),
         std::to_string(low) + " to " + std::to_string(high));
  }
  return number;
}

const List& cursor_list(const Table& table, std::string_view key, size_t size) {
  const Value* value = find(table, key);
  if (value == nullptr || !value->is_list()) {
    fail("cursor", "no list '" + std::string(key) + "'", "a cursor of this stream");
  }
  if (value->as_list().size() != size) {
    fail("cursor: " + std::string(key), std::to_string(value->as_list().size()),
         std::to_string(size) + " as in this stream");
  }
  return value->as_list();
}

}  // namespace

LaneFeeder::LaneFeeder(std::vector<StreamSource> sources, TokenizerPtr tokenizer,
                       FeederOptions options)
    : sources_(std::move(sources)),
      names_(unique_names(sources_)),
      vocabulary_(std::move(tokenizer)),
      options_(options),
      mixer_(weights_of(sources_)),
      lanes_(static_cast<size_t>(options.lanes)),
      counts_(sources_.size()),
      exhausted_(sources_.size(), false),
      pool_(options.threads) {
  for (size_t i = 0; i < sources_.size(); ++i) {
    orders_.push_back(
        std::make_unique<DocumentOrder>(sources_[i].source, names_[i], options_.order));
    readers_.push_back(
        std::make_unique<ReadAhead>(*orders_[i], vocabulary_, pool_, options_.prefetch_tokens));
  }
}

void LaneFeeder::note_bad(size_t source, const ReadDocument& document) {
  SourceCounts& counts = counts_[source];
  ++counts.bad_documents;
  bad_reasons_.push_back(names_[source] + ": " + document.reason);
  int64_t seen = counts.documents + counts.bad_documents + counts.empty_documents;
  if (counts.bad_documents > kBadAlways &&
      static_cast<double>(counts.bad_documents) > options_.bad_share * static_cast<double>(seen)) {
    fail("source " + names_[source],
         std::to_string(counts.bad_documents) + " bad documents of " + std::to_string(seen),
         "at most a share of " + std::to_string(options_.bad_share),
         "the last: " + document.reason);
  }
}

std::shared_ptr<LaneText> LaneFeeder::join(const std::function<ReadDocument()>& read,
                                           SourceCounts* counts) {
  auto text = std::make_shared<LaneText>();
  EncodedDocument& all = text->encoded;
  uint64_t fruitless = 0;
  bool first = true;
  while (first || static_cast<int64_t>(all.tokens.size()) < options_.pack_tokens) {
    ReadDocument document = read();
    size_t source = counts == nullptr ? 0 : static_cast<size_t>(counts - counts_.data());
    if (document.kind == ReadDocument::Kind::kEnd) break;
    if (document.kind != ReadDocument::Kind::kGood) {
      if (counts != nullptr) {
        if (document.kind == ReadDocument::Kind::kBad)
          note_bad(source, document);
        else
          ++counts->empty_documents;
        // A whole round without a usable document would go on for ever.
        if (++fruitless >= orders_[source]->round() && options_.order.endless) {
          fail("source " + names_[source], "no usable document in " + std::to_string(fruitless),
               "text", document.reason);
        }
      }
      continue;
    }
    if (first) {
      text->ordinal = document.ordinal;
      all = std::move(document.encoded);
    } else {
      // A text that was cut needs its end before another begins.
      if (vocabulary_.end >= 0 && all.tokens.back() != vocabulary_.end) {
        all.tokens.push_back(vocabulary_.end);
        if (!all.weights.empty()) all.weights.push_back(1);
      }
      const EncodedDocument& more = document.encoded;
      if (!more.weights.empty() || !all.weights.empty()) {
        all.weights.resize(all.tokens.size(), 1);
        all.weights.insert(all.weights.end(), more.weights.begin(), more.weights.end());
        all.weights.resize(all.tokens.size() + more.tokens.size(), 1);
      }
      for (DocumentStart start : more.starts) {
        start.offset += static_cast<int64_t>(all.tokens.size());
        all.starts.push_back(start);
      }
      all.tokens.insert(all.tokens.end(), more.tokens.begin(), more.tokens.end());
    }
    first = false;
    if (counts != nullptr) ++counts->documents;
  }
  return first ? nullptr : text;
}

size_t LaneFeeder::choose_source() const {
  std::vector<int64_t> held(sources_.size(), 0);
  for (const Lane& lane : lanes_) {
    if (lane.source >= 0) ++held[static_cast<size_t>(lane.source)];
  }
  int64_t longest_mean = 0;
  for (const SourceCounts& counts : counts_) {
    if (counts.taken_texts > 0) {
      longest_mean = std::max(longest_mean, counts.taken_tokens / counts.taken_texts);
    }
  }
  std::vector<bool> usable = exhausted_;
  usable.flip();
  return mixer_.choose(held, longest_mean, usable);
}

bool LaneFeeder::refill(Lane& lane) {
  while (std::find(exhausted_.begin(), exhausted_.end(), false) != exhausted_.end()) {
    int64_t taken = 0;
    for (const SourceCounts& counts : counts_) taken += counts.taken_tokens;
    if (options_.max_tokens > 0 && taken >= options_.max_tokens) return false;
    size_t source = choose_source();
    auto text = join([&] { return readers_[source]->next(); }, &counts_[source]);
    counts_[source].ordinal = readers_[source]->position();
    if (text == nullptr) {
      exhausted_[source] = true;
      continue;
    }
    ++counts_[source].taken_texts;
    counts_[source].taken_tokens += static_cast<int64_t>(text->encoded.tokens.size());
    lane.source = static_cast<int64_t>(source);
    lane.offset = 0;
    lane.text = std::move(text);
    return true;
  }
  return false;
}

bool LaneFeeder::next(int64_t segments, int64_t segment_tokens, Batch& batch) {
  if (segments < 1 || segment_tokens < 1 ||
      segments > kLargestBatch / segment_tokens / options_.lanes) {
    fail("stream: next",
         std::to_string(segments) + " segments of " + std::to_string(segment_tokens) + " tokens",
         "1 or more of each, in all lanes together at most 2^31 tokens");
  }
  Snapshot before = snapshot();
  try {
    BatchWriter writer(vocabulary_, options_.lanes, segments, segment_tokens);
    // Segment by segment over the lanes, as training reads them: the mixer then sees tokens in the
    // order in which they are served.
    for (int64_t s = 0; s < segments; ++s) {
      check_cancelled("stream: next");
      for (int64_t b = 0; b < options_.lanes; ++b) {
        Lane& lane = lanes_[static_cast<size_t>(b)];
        if (lane.source < 0 && !refill(lane)) continue;
        int64_t count = writer.write(b, s, lane.source, lane.text->encoded, lane.offset);
        mixer_.add(static_cast<size_t>(lane.source), count);
        counts_[static_cast<size_t>(lane.source)].served_tokens += count;
        lane.offset += count;
        if (lane.offset == static_cast<int64_t>(lane.text->encoded.tokens.size())) lane = Lane();
      }
    }
    const Batch& filled = writer.batch();
    if (filled.token_count == 0) return false;
    totals_.tokens += filled.token_count;
    totals_.labels += filled.label_count;
    totals_.bytes += filled.byte_count;
    totals_.padding_tokens += filled.lanes * segments * segment_tokens - filled.token_count;
    batch = writer.finish();
  } catch (...) {
    restore(before);
    throw;
  }
  if (bad_reasons_.size() > kReasonsKept) {
    bad_reasons_.erase(bad_reasons_.begin(), bad_reasons_.end() - kReasonsKept);
  }
  return true;
}

LaneFeeder::Snapshot LaneFeeder::snapshot() const {
  return {lanes_, counts_, exhausted_, totals_, bad_reasons_.size()};
}

void LaneFeeder::restore(const Snapshot& saved) {
  lanes_ = saved.lanes;
  counts_ = saved.counts;
  exhausted_ = saved.exhausted;
  totals_ = saved.totals;
  bad_reasons_.resize(std::min(bad_reasons_.size(), saved.reason_count));
  std::vector<int64_t> served;
  for (size_t i = 0; i < counts_.size(); ++i) {
    served.push_back(counts_[i].served_tokens);
    if (readers_[i]->position() != counts_[i].ordinal) readers_[i]->seek(counts_[i].ordinal);
  }
  mixer_.restore(served);
}

void LaneFeeder::rewind() {
  Snapshot start;
  start.lanes.resize(lanes_.size());
  start.counts.resize(counts_.size());
  start.exhausted.assign(exhausted_.size(), false);
  start.reason_count = 0;
  restore(start);
}

Table LaneFeeder::cursor() const {
  List lanes, sources;
  for (const Lane& lane : lanes_) {
    lanes.push_back(Table{{"source", lane.source},
                          {"ordinal", lane.text ? lane.text->ordinal : uint64_t{0}},
                          {"offset", lane.offset}});
  }
  for (size_t i = 0; i < counts_.size(); ++i) {
    const SourceCounts& counts = counts_[i];
    sources.push_back(Table{{"name", names_[i]},
                            {"ordinal", counts.ordinal},
                            {"served_tokens", counts.served_tokens},
                            {"taken_tokens", counts.taken_tokens},
                            {"taken_texts", counts.taken_texts},
                            {"documents", counts.documents},
                            {"bad_documents", counts.bad_documents},
                            {"empty_documents", counts.empty_documents}});
  }
  return {{"format", kCursorFormat},
          {"seed", options_.order.seed},
          {"pack_tokens", options_.pack_tokens},
          {"tokens", totals_.tokens},
          {"labels", totals_.labels},
          {"bytes", totals_.bytes},
          {"padding_tokens", totals_.padding_tokens},
          {"lanes", std::move(lanes)},
          {"sources", std::move(sources)}};
}

void LaneFeeder::seek(const Table& cursor) {
  cursor_int(cursor, "format", kCursorFormat, kCursorFormat);
  auto same = [&](std::string_view key, int64_t mine) {
    int64_t theirs = cursor_int(cursor, key, INT64_MIN);
    if (theirs != mine) {
      fail("cursor: " + std::string(key), std::to_string(theirs),
           std::to_string(mine) + " as in this stream");
    }
  };
  same("seed", static_cast<int64_t>(options_.order.seed));
  same("pack_tokens", options_.pack_tokens);
  Snapshot target = snapshot();
  target.reason_count = 0;
  target.exhausted.assign(sources_.size(), false);
  target.totals = {cursor_int(cursor, "tokens"), cursor_int(cursor, "labels"),
                   cursor_int(cursor, "bytes"), cursor_int(cursor, "padding_tokens")};
  const List& sources = cursor_list(cursor, "sources", sources_.size());
  for (size_t i = 0; i < sources.size(); ++i) {
    const Table& entry = sources[i].as_table();
    const Value* name = find(entry, "name");
    if (name == nullptr || !name->is_string() || name->as_string() != names_[i]) {
      fail("cursor: source " + std::to_string(i + 1), name ? name->to_text() : "no name",
           names_[i]);
    }
    target.counts[i] = {static_cast<uint64_t>(cursor_int(entry, "ordinal")),
                        cursor_int(entry, "served_tokens"),
                        cursor_int(entry, "taken_tokens"),
                        cursor_int(entry, "taken_texts"),
                        cursor_int(entry, "documents"),
                        cursor_int(entry, "bad_documents"),
                        cursor_int(entry, "empty_documents")};
  }
  // One reader a lane, so that the workers read all lanes' documents at the same time.
  const List& lanes = cursor_list(cursor, "lanes", lanes_.size());
  std::vector<std::unique_ptr<ReadAhead>> readers(lanes.size());
  std::vector<uint64_t> ordinals(lanes.size());
  for (size_t b = 0; b < lanes.size(); ++b) {
    const Table& entry = lanes[b].as_table();
    Lane& lane = target.lanes[b];
    lane = Lane();
    lane.source = cursor_int(entry, "source", -1, static_cast<int64_t>(sources_.size()) - 1);
    if (lane.source < 0) continue;
    lane.offset = cursor_int(entry, "offset");
    ordinals[b] = static_cast<uint64_t>(cursor_int(entry, "ordinal"));
    readers[b] = std::make_unique<ReadAhead>(*orders_[static_cast<size_t>(lane.source)],
                                             vocabulary_, pool_, 0);
    readers[b]->seek(ordinals[b]);
    readers[b]->start();
  }
  for (size_t b = 0; b < lanes.size(); ++b) {
    Lane& lane = target.lanes[b];
    if (lane.source < 0) continue;
    lane.text = join([&] { return readers[b]->next(); }, nullptr);
    if (lane.text == nullptr || lane.text->ordinal != ordinals[b] ||
        lane.offset >= static_cast<int64_t>(lane.text->encoded.tokens.size())) {
      fail("cursor: lane " + std::to_string(b + 1),
           "token " + std::to_string(lane.offset) + " of document " + std::to_string(ordinals[b]) +
               " of " + names_[static_cast<size_t>(lane.source)],
           "a place inside a document", "the data is not what the cursor was taken from");
    }
  }
  restore(target);
}

Table LaneFeeder::report() const {
  List sources, reasons;
  for (size_t i = 0; i < counts_.size(); ++i) {
    const SourceCounts& counts = counts_[i];
    double realized = totals_.tokens == 0 ? 0.0
                                          : static_cast<double>(counts.served_tokens) /
                                                static_cast<double>(totals_.tokens);
    sources.push_back(Table{{"name", names_[i]},
                            {"weight", sources_[i].weight},
                            {"share", mixer_.share(i)},
                            {"tokens", counts.served_tokens},
                            {"realized_share", realized},
                            {"documents", counts.documents},
                            {"epoch", orders_[i]->epoch(counts.ordinal)},
                            {"bad_documents", counts.bad_documents},
                            {"empty_documents", counts.empty_documents}});
  }
  for (const std::string& reason : bad_reasons_) reasons.push_back(reason);
  int64_t all = totals_.tokens + totals_.padding_tokens;
  return {{"tokens", totals_.tokens},
          {"labels", totals_.labels},
          {"bytes", totals_.bytes},
          {"padding_tokens", totals_.padding_tokens},
          {"padding_share",
           all == 0 ? 0.0 : static_cast<double>(totals_.padding_tokens) / static_cast<double>(all)},
          {"sources", std::move(sources)},
          {"bad", std::move(reasons)}};
}

}  // namespace rmkv
