// Where a feeder stands, as a few integers, and going there.
#include <map>

#include "core/data/lane_feeder.h"

namespace rmkv {

namespace {

constexpr int64_t kCursorFormat = 2;

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

// The counts of a source's filters: documents by rule, then bytes by rule.
void take_dropped(const Table& entry, size_t rules, SourceCounts& counts) {
  counts.dropped_documents.assign(rules, 0);
  counts.dropped_bytes.assign(rules, 0);
  const Value* given = find(entry, "dropped");
  if (given == nullptr && rules == 0) return;
  const List& list = cursor_list(entry, "dropped", 2 * rules);
  for (size_t i = 0; i < rules; ++i) {
    counts.dropped_documents[i] = list[i].as_int();
    counts.dropped_bytes[i] = list[rules + i].as_int();
  }
}

// That what joined a growing source until the cursor was taken is what has joined here.
void check_joined(const Table& entry, const DocumentSource& source, const std::string& name) {
  if (!source.grows()) return;
  const uint64_t looks = static_cast<uint64_t>(cursor_int(entry, "looks"));
  const Value* joined = find(entry, "joined");
  const std::string here = source.joined_until(looks);
  if (joined != nullptr && joined->is_string() && joined->as_string() == here) return;
  fail("cursor: source " + name,
       here.empty() ? "a journal of fewer than " + std::to_string(looks + 1) + " looks"
                    : "a journal of other files",
       "the journal of the run, which says what joined when", "bring it back, or start a new run");
}

}  // namespace

Table LaneFeeder::cursor() const {
  List lanes, sources;
  Mixer::State mixer = mixer_.state();
  for (const Lane& lane : lanes_) {
    lanes.push_back(Table{{"source", lane.source},
                          {"ordinal", lane.ordinal},
                          {"place", lane.place},
                          {"offset", lane.offset},
                          {"age", lane.age}});
  }
  for (size_t i = 0; i < counts_.size(); ++i) {
    const SourceCounts& counts = counts_[i];
    const OpenGroup& open = open_[i];
    List dropped(counts.dropped_documents.begin(), counts.dropped_documents.end());
    dropped.insert(dropped.end(), counts.dropped_bytes.begin(), counts.dropped_bytes.end());
    bool rest = open.group != nullptr && open.next < open.group->texts.size();
    sources.push_back(Table{{"name", names_[i]},
                            {"weight", mixer.weights[i]},
                            {"mixed", mixer.served_tokens[i]},
                            {"owed", mixer.owed[i]},
                            {"group", rest ? open.group->ordinal : uint64_t{0}},
                            {"group_next", rest ? open.next : size_t{0}},
                            {"ordinal", counts.ordinal},
                            {"served_tokens", counts.served_tokens},
                            {"taken_tokens", counts.taken_tokens},
                            {"taken_texts", counts.taken_texts},
                            {"documents", counts.documents},
                            {"bad_documents", counts.bad_documents},
                            {"empty_documents", counts.empty_documents}});
    Table& entry = sources.back().as_table();
    if (!dropped.empty()) entry["dropped"] = std::move(dropped);
    if (sources_[i].source->grows()) {
      const uint64_t looks = orders_[i]->looks(counts.ordinal);
      entry["looks"] = looks;
      entry["joined"] = sources_[i].source->joined_until(looks);
    }
  }
  return {{"format", kCursorFormat},
          {"seed", options_.order.seed},
          {"pack_tokens", options_.pack_tokens},
          {"stopped", static_cast<int64_t>(stopped_)},
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
  target.stopped = cursor_int(cursor, "stopped", 0, 1) == 1;
  target.totals = {cursor_int(cursor, "tokens"), cursor_int(cursor, "labels"),
                   cursor_int(cursor, "bytes"), cursor_int(cursor, "padding_tokens")};
  // A group that several lanes and the source hold is read once; one reader each, so that the
  // workers read all of them at the same time.
  std::map<std::pair<size_t, uint64_t>, std::unique_ptr<ReadAhead>> readers;
  auto want = [&](size_t source, uint64_t ordinal) {
    auto& reader = readers[{source, ordinal}];
    if (reader != nullptr) return;
    reader = std::make_unique<ReadAhead>(*orders_[source], vocabulary_, pool_, 0);
    reader->seek(ordinal);
    reader->start();
  };
  const List& sources = cursor_list(cursor, "sources", sources_.size());
  for (size_t i = 0; i < sources.size(); ++i) {
    const Table& entry = sources[i].as_table();
    const Value* name = find(entry, "name");
    if (name == nullptr || !name->is_string() || name->as_string() != names_[i]) {
      fail("cursor: source " + std::to_string(i + 1), name ? name->to_text() : "no name",
           names_[i]);
    }
    check_joined(entry, *sources_[i].source, names_[i]);
    target.counts[i] = {static_cast<uint64_t>(cursor_int(entry, "ordinal")),
                        cursor_int(entry, "served_tokens"),
                        cursor_int(entry, "taken_tokens"),
                        cursor_int(entry, "taken_texts"),
                        cursor_int(entry, "documents"),
                        cursor_int(entry, "bad_documents"),
                        cursor_int(entry, "empty_documents"),
                        {},
                        {}};
    take_dropped(entry, rules_[i].size(), target.counts[i]);
    target.mixer.weights[i] = cursor_int(entry, "weight", 1);
    target.mixer.served_tokens[i] = cursor_int(entry, "mixed");
    target.mixer.owed[i] = cursor_int(entry, "owed", INT64_MIN);
    target.open[i] = {nullptr, static_cast<size_t>(cursor_int(entry, "group_next"))};
    if (target.open[i].next > 0) want(i, static_cast<uint64_t>(cursor_int(entry, "group")));
  }
  const List& lanes = cursor_list(cursor, "lanes", lanes_.size());
  for (size_t b = 0; b < lanes.size(); ++b) {
    const Table& entry = lanes[b].as_table();
    Lane& lane = target.lanes[b];
    lane = Lane();
    lane.source = cursor_int(entry, "source", -1, static_cast<int64_t>(sources_.size()) - 1);
    if (lane.source < 0) continue;
    lane.offset = cursor_int(entry, "offset");
    lane.age = cursor_int(entry, "age");
    lane.ordinal = static_cast<uint64_t>(cursor_int(entry, "ordinal"));
    lane.place = cursor_int(entry, "place");
    want(static_cast<size_t>(lane.source), lane.ordinal);
  }
  std::map<std::pair<size_t, uint64_t>, std::shared_ptr<const TextGroup>> groups;
  for (auto& [key, reader] : readers)
    groups[key] = read_group([&] { return reader->next(); }, nullptr);
  for (size_t i = 0; i < sources.size(); ++i) {
    if (target.open[i].next == 0) continue;
    target.open[i].group =
        groups[{i, static_cast<uint64_t>(cursor_int(sources[i].as_table(), "group"))}];
    if (target.open[i].group == nullptr || target.open[i].next > target.open[i].group->texts.size())
      fail("cursor: source " + names_[i],
           "text " + std::to_string(target.open[i].next) + " of a group", "a place inside",
           "the data is not what the cursor was taken from");
  }
  for (size_t b = 0; b < lanes.size(); ++b) {
    Lane& lane = target.lanes[b];
    if (lane.source < 0) continue;
    auto group = groups[{static_cast<size_t>(lane.source), lane.ordinal}];
    bool inside = group != nullptr && group->ordinal == lane.ordinal &&
                  lane.place < static_cast<int64_t>(group->texts.size());
    if (inside) lane.text = group->texts[static_cast<size_t>(lane.place)];
    if (!inside || lane.offset >= static_cast<int64_t>(lane.text->tokens.size())) {
      fail("cursor: lane " + std::to_string(b + 1),
           "token " + std::to_string(lane.offset) + " of document " + std::to_string(lane.ordinal) +
               " of " + names_[static_cast<size_t>(lane.source)],
           "a place inside a document", "the data is not what the cursor was taken from");
    }
  }
  restore(target);
}

}  // namespace rmkv
