// Lanes, joining, mixing.  Cursors: lane_feeder_cursor.cpp.
#include "core/data/lane_feeder.h"

#include <algorithm>
#include <map>
#include <set>

#include "core/base/cancel.h"
#include "core/data/batch_writer.h"
#include "core/data/packing.h"

namespace rmkv {

namespace {

constexpr int64_t kLargestBatch = int64_t{1} << 31;  // tokens
constexpr int64_t kBadAlways = 10;                   // bad documents that are never too many
constexpr size_t kReasonsKept = 20;
// Documents of about so many packs are looked at for the best fit.
constexpr int64_t kPacksTogether = 16;

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
      open_(sources_.size()),
      exhausted_(sources_.size(), false),
      pool_(options.threads) {
  for (size_t i = 0; i < sources_.size(); ++i) {
    rules_.push_back(sources_[i].source->filter_rules());
    counts_[i].dropped_documents.assign(rules_[i].size(), 0);
    counts_[i].dropped_bytes.assign(rules_[i].size(), 0);
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
         "at most a share of " + Value(options_.bad_share).to_text(),
         "the last: " + document.reason);
  }
}

void LaneFeeder::note_unused(size_t source, const ReadDocument& document) {
  SourceCounts& counts = counts_[source];
  switch (document.kind) {
    case ReadDocument::Kind::kBad:
      note_bad(source, document);
      break;
    case ReadDocument::Kind::kDropped:
      ++counts.dropped_documents.at(static_cast<size_t>(document.rule));
      counts.dropped_bytes.at(static_cast<size_t>(document.rule)) +=
          static_cast<int64_t>(document.bytes);
      break;
    default:
      ++counts.empty_documents;
  }
}

void LaneFeeder::append(const EncodedDocument& document, EncodedDocument& text) const {
  if (text.tokens.empty()) {
    text = document;
    return;
  }
  // A text that was cut needs its end before another begins.
  if (vocabulary_.end >= 0 && text.tokens.back() != vocabulary_.end) {
    text.tokens.push_back(vocabulary_.end);
    if (!text.weights.empty()) text.weights.push_back(1);
  }
  if (!document.weights.empty() || !text.weights.empty()) {
    text.weights.resize(text.tokens.size(), 1);
    text.weights.insert(text.weights.end(), document.weights.begin(), document.weights.end());
    text.weights.resize(text.tokens.size() + document.tokens.size(), 1);
  }
  for (DocumentStart start : document.starts) {
    start.offset += static_cast<int64_t>(text.tokens.size());
    text.starts.push_back(start);
  }
  text.tokens.insert(text.tokens.end(), document.tokens.begin(), document.tokens.end());
}

std::shared_ptr<const TextGroup> LaneFeeder::read_group(const std::function<ReadDocument()>& read,
                                                        SourceCounts* counts) {
  auto group = std::make_shared<TextGroup>();
  std::vector<EncodedDocument> documents;
  std::vector<int64_t> sizes;
  uint64_t fruitless = 0;
  int64_t tokens = 0;
  bool best = options_.best_fit && options_.pack_tokens > 0;
  int64_t wanted = best ? options_.pack_tokens * kPacksTogether : options_.pack_tokens;
  while (documents.empty() || tokens < wanted) {
    ReadDocument document = read();
    if (document.kind == ReadDocument::Kind::kEnd) break;
    if (document.kind != ReadDocument::Kind::kGood) {
      if (counts != nullptr) {
        size_t source = static_cast<size_t>(counts - counts_.data());
        note_unused(source, document);
        check_cancelled("stream: next");
        // A whole round without a usable document would go on for ever.
        if (++fruitless >= orders_[source]->round() && options_.order.endless) {
          bool dropped = document.kind == ReadDocument::Kind::kDropped;
          fail("source " + names_[source], "no usable document in " + std::to_string(fruitless),
               "text",
               dropped ? "filters drop them, the last by " +
                             rules_[source][static_cast<size_t>(document.rule)]
                       : document.reason);
        }
      }
      continue;
    }
    if (documents.empty()) group->ordinal = document.ordinal;
    // With the <end> that joining may add.
    int64_t size = static_cast<int64_t>(document.encoded.tokens.size());
    if (vocabulary_.end >= 0 && document.encoded.tokens.back() != vocabulary_.end) ++size;
    sizes.push_back(size);
    tokens += size;
    documents.push_back(std::move(document.encoded));
    if (counts != nullptr) ++counts->documents;
  }
  if (documents.empty()) return nullptr;
  std::vector<std::vector<size_t>> packs(1);
  if (best) {
    packs = best_fit(sizes, options_.pack_tokens);
  } else {
    for (size_t i = 0; i < documents.size(); ++i) packs[0].push_back(i);
  }
  for (const auto& pack : packs) {
    auto text = std::make_shared<LaneText>();
    for (size_t place : pack) append(documents[place], *text);
    group->texts.push_back(std::move(text));
  }
  return group;
}

size_t LaneFeeder::choose_source() const {
  std::vector<int64_t> held(sources_.size(), 0);
  for (const Lane& lane : lanes_) {
    if (lane.source >= 0) ++held[static_cast<size_t>(lane.source)];
  }
  int64_t longest_mean = 0;
  for (size_t i = 0; i < counts_.size(); ++i) {
    const SourceCounts& counts = counts_[i];
    if (counts.taken_texts == 0) continue;
    int64_t mean = counts.taken_tokens / counts.taken_texts;
    // The same in bytes, by what was served so far.
    if (options_.unit == MixUnit::kBytes && counts.served_tokens > 0) {
      mean = static_cast<int64_t>(static_cast<double>(mean) *
                                  static_cast<double>(mixer_.served_tokens()[i]) /
                                  static_cast<double>(counts.served_tokens));
    }
    longest_mean = std::max(longest_mean, mean);
  }
  std::vector<bool> usable = exhausted_;
  usable.flip();
  // Documents count when they begin, so none are owed for those that are open.
  if (options_.unit == MixUnit::kDocuments) return mixer_.choose({}, 0, usable);
  return mixer_.choose(held, longest_mean, usable);
}

int64_t LaneFeeder::bytes_of(const LaneText& text, int64_t first, int64_t count) const {
  int64_t bytes = 0;
  for (int64_t i = first; i < first + count; ++i)
    bytes += vocabulary_.byte_counts[static_cast<size_t>(text.tokens[static_cast<size_t>(i)])];
  return bytes;
}

bool LaneFeeder::refill(Lane& lane) {
  while (!stopped_ && std::find(exhausted_.begin(), exhausted_.end(), false) != exhausted_.end()) {
    int64_t taken = 0;
    for (const SourceCounts& counts : counts_) taken += counts.taken_tokens;
    if (options_.max_tokens > 0 && taken >= options_.max_tokens) return false;
    size_t source = choose_source();
    OpenGroup& open = open_[source];
    if (open.group == nullptr || open.next == open.group->texts.size()) {
      open = {read_group([&] { return readers_[source]->next(); }, &counts_[source]), 0};
      counts_[source].ordinal = readers_[source]->position();
    }
    if (open.group == nullptr) {
      exhausted_[source] = true;
      stopped_ = options_.stop_together;
      continue;
    }
    lane = {
        static_cast<int64_t>(source), 0, 0, open.group->ordinal, static_cast<int64_t>(open.next),
        open.group->texts[open.next]};
    ++open.next;
    ++counts_[source].taken_texts;
    counts_[source].taken_tokens += static_cast<int64_t>(lane.text->tokens.size());
    if (options_.unit == MixUnit::kDocuments)
      mixer_.add(source, static_cast<int64_t>(lane.text->starts.size()));
    return true;
  }
  return false;
}

void LaneFeeder::set_weights(const std::vector<double>& weights) {
  if (weights.size() != sources_.size()) {
    fail("stream: weights", std::to_string(weights.size()),
         std::to_string(sources_.size()) + ", one a source");
  }
  mixer_.set_weights(weights);
  for (size_t i = 0; i < weights.size(); ++i) sources_[i].weight = weights[i];
}

bool LaneFeeder::next(int64_t segments, int64_t segment_tokens, Batch& batch,
                      int64_t reset_tokens) {
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
        size_t source = static_cast<size_t>(lane.source);
        if (reset_tokens > 0 && lane.age >= reset_tokens) lane.age = 0;
        int64_t count = writer.write(b, s, lane.source, *lane.text, lane.offset, lane.age == 0);
        if (options_.unit == MixUnit::kTokens) mixer_.add(source, count);
        if (options_.unit == MixUnit::kBytes)
          mixer_.add(source, bytes_of(*lane.text, lane.offset, count));
        counts_[source].served_tokens += count;
        lane.offset += count;
        lane.age += count;
        if (lane.offset == static_cast<int64_t>(lane.text->tokens.size())) lane = Lane();
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
  return {lanes_,   counts_,        open_,   exhausted_,
          stopped_, mixer_.state(), totals_, bad_reasons_.size()};
}

void LaneFeeder::restore(const Snapshot& saved) {
  lanes_ = saved.lanes;
  counts_ = saved.counts;
  open_ = saved.open;
  exhausted_ = saved.exhausted;
  stopped_ = saved.stopped;
  mixer_.set_state(saved.mixer);
  totals_ = saved.totals;
  bad_reasons_.resize(std::min(bad_reasons_.size(), saved.reason_count));
  for (size_t i = 0; i < counts_.size(); ++i) {
    if (readers_[i]->position() != counts_[i].ordinal) readers_[i]->seek(counts_[i].ordinal);
  }
}

void LaneFeeder::rewind() {
  Snapshot start;
  start.lanes.resize(lanes_.size());
  start.counts.resize(counts_.size());
  for (size_t i = 0; i < counts_.size(); ++i) {
    start.counts[i].dropped_documents.assign(rules_[i].size(), 0);
    start.counts[i].dropped_bytes.assign(rules_[i].size(), 0);
  }
  start.open.resize(open_.size());
  start.exhausted.assign(exhausted_.size(), false);
  start.mixer = Mixer(weights_of(sources_)).state();
  start.reason_count = 0;
  restore(start);
}

Table LaneFeeder::report() const {
  List sources, reasons;
  for (size_t i = 0; i < counts_.size(); ++i) {
    const SourceCounts& counts = counts_[i];
    // Two filters of one kind share their names.
    std::map<std::string, std::pair<int64_t, int64_t>> by_rule;
    int64_t all_dropped = 0;
    for (size_t rule = 0; rule < rules_[i].size(); ++rule) {
      all_dropped += counts.dropped_documents[rule];
      by_rule[rules_[i][rule]].first += counts.dropped_documents[rule];
      by_rule[rules_[i][rule]].second += counts.dropped_bytes[rule];
    }
    Table dropped;
    for (const auto& [rule, sums] : by_rule)
      dropped[rule] = Table{{"documents", sums.first}, {"bytes", sums.second}};
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
                            {"empty_documents", counts.empty_documents},
                            {"dropped_documents", all_dropped},
                            {"dropped", std::move(dropped)}});
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
