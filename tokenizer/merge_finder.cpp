// The merge loop.  Its rules are those of Hugging Face's BpeTrainer (models/bpe/trainer.rs, version
// 0.23): where this file does something odd, it is because the merges must be theirs.
#include "tokenizer/merge_finder.h"

#include <algorithm>
#include <cstdio>
#include <limits>
#include <map>
#include <set>

#include "core/base/cancel.h"
#include "core/base/error.h"
#include "tokenizer/byte_level.h"
#include "tokenizer/unicode.h"

namespace rmkv {

void MergeFinder::Side::add(int32_t neighbour, int64_t count, Position position) {
  if (places[neighbour]++ == 0) touched.push_back(neighbour);
  weight[neighbour] += count;
  events.emplace_back(neighbour, position);
}

void MergeFinder::Side::clear() {
  for (const int32_t neighbour : touched) weight[neighbour] = places[neighbour] = 0;
  touched.clear();
  events.clear();
}

MergeFinder::MergeFinder(const BpeTrainerOptions& options, const WordCounts& words)
    : options_(options) {
  for (const std::string& token : options_.special_tokens) intern(token);
  if (options_.alphabet == BpeAlphabet::kBytes) {
    add_byte_symbols();
  } else {
    add_character_symbols(words);
  }
  lay_out(words);
  list_initial_pairs();
}

void MergeFinder::add_byte_symbols() {
  for (const uint8_t byte : bytes_by_code_point()) {
    const char c = static_cast<char>(byte);
    id_of_byte_[byte] = intern(spell_bytes({&c, 1}));
    length_[id_of_byte_[byte]] = 1;
  }
}

void MergeFinder::add_character_symbols(const WordCounts& words) {
  for (unsigned byte = 0; byte < 256; ++byte) {
    char name[8];
    std::snprintf(name, sizeof(name), "<0x%02X>", byte);
    intern(name);
  }
  std::map<uint32_t, uint64_t> counts;
  uint64_t total = 0;
  for (const auto& [word, count] : words) {
    const char* const end = word.data() + word.size();
    for (const char* p = word.data(); p < end;) {
      const Utf8Char c = decode_utf8(p, end);
      if (c.code_point != kInvalidCodePoint) counts[c.code_point] += count;
      total += count;
      p += c.size_bytes;
    }
  }
  std::vector<std::pair<uint32_t, uint64_t>> ranked(counts.begin(), counts.end());
  std::stable_sort(ranked.begin(), ranked.end(),
                   [](const auto& a, const auto& b) { return a.second > b.second; });
  std::set<uint32_t> chosen;
  uint64_t covered = 0;
  for (const auto& [character, count] : ranked) {
    if (static_cast<int64_t>(chosen.size()) >= options_.max_characters ||
        static_cast<int64_t>(spellings_.size() + chosen.size()) >= options_.vocab_size ||
        static_cast<double>(covered) >= options_.coverage * static_cast<double>(total)) {
      break;
    }
    chosen.insert(character);
    covered += count;
  }
  for (const uint32_t character : chosen) {
    std::string text;
    append_utf8(character, text);
    const int32_t id = intern(text);
    length_[id] = 1;
    id_of_character_.emplace(character, id);
  }
}

void MergeFinder::symbols_of(std::string_view word, std::vector<int32_t>& symbols) const {
  symbols.clear();
  if (options_.alphabet == BpeAlphabet::kBytes) {
    for (const char c : word) symbols.push_back(id_of_byte_[static_cast<unsigned char>(c)]);
    return;
  }
  const char* const end = word.data() + word.size();
  for (const char* p = word.data(); p < end;) {
    const Utf8Char c = decode_utf8(p, end);
    const auto found = id_of_character_.find(c.code_point);
    symbols.push_back(found == id_of_character_.end() ? -1 : found->second);
    p += c.size_bytes;
  }
}

int32_t MergeFinder::intern(const std::string& spelling) {
  const auto [entry, is_new] = id_of_.emplace(spelling, static_cast<int32_t>(spellings_.size()));
  if (is_new) {
    spellings_.push_back(spelling);
    length_.push_back(0);
    before_.weight.push_back(0);
    before_.places.push_back(0);
    after_.weight.push_back(0);
    after_.places.push_back(0);
  }
  return entry->second;
}

void MergeFinder::lay_out(const WordCounts& words) {
  // A word of one symbol has no pair; one of bytes has at most as many symbols.
  size_t places = 1;
  for (const auto& [word, count] : words) places += word.size() > 1 ? word.size() + 1 : 0;
  if (places > std::numeric_limits<Position>::max()) {
    fail("tokenizer.train", std::to_string(places) + " bytes of distinct words", "at most 4 GiB");
  }
  starts_.reserve(places);
  ends_.reserve(places);
  word_of_.reserve(places);
  starts_.push_back(-1);
  word_of_.push_back(0);
  std::vector<int32_t> symbols;
  for (const auto& [word, count] : words) {
    symbols_of(word, symbols);
    if (symbols.size() < 2) continue;
    starts_.insert(starts_.end(), symbols.begin(), symbols.end());
    starts_.push_back(-1);
    word_of_.insert(word_of_.end(), symbols.size() + 1, static_cast<uint32_t>(word_count_.size()));
    word_count_.push_back(static_cast<int64_t>(count));
  }
  ends_ = starts_;
}

void MergeFinder::list_initial_pairs() {
  std::unordered_map<uint64_t, uint32_t> list_of;
  std::vector<uint64_t> pair_of_list;
  std::vector<uint32_t> list_at(starts_.size());
  for (Position at = 1; at + 1 < starts_.size(); ++at) {
    if (starts_[at] < 0 || starts_[at + 1] < 0) continue;
    const uint64_t pair = PairCounts::pair(starts_[at], starts_[at + 1]);
    const auto [entry, is_new] = list_of.emplace(pair, static_cast<uint32_t>(lists_.size()));
    if (is_new) {
      lists_.push_back({0, 0});
      pair_of_list.push_back(pair);
    }
    ++lists_[entry->second].size;
    list_at[at] = entry->second;
    counts_[pair] += word_count_[word_of_[at]];
  }
  size_t total = 0;
  for (PositionList& list : lists_) {
    list.begin = total;
    total += list.size;
    list.size = 0;
  }
  positions_.resize(total);
  for (Position at = 1; at + 1 < starts_.size(); ++at) {
    if (starts_[at] < 0 || starts_[at + 1] < 0) continue;
    PositionList& list = lists_[list_at[at]];
    positions_[list.begin + list.size++] = at;
  }
  for (uint32_t list = 0; list < lists_.size(); ++list) push(pair_of_list[list], list);
}

bool MergeFinder::is_before(const Candidate& a, const Candidate& b) const {
  if (a.count != b.count) return a.count > b.count;
  if (options_.tie_rule == BpeTieRule::kSmallestIds) return a.pair < b.pair;
  const auto text = [&](int32_t id) {
    return unspell_bytes(spellings_[id]).value_or(spellings_[id]);
  };
  const auto a_left = text(PairCounts::left(a.pair)), b_left = text(PairCounts::left(b.pair));
  if (a_left != b_left) return a_left > b_left;
  return text(PairCounts::right(a.pair)) > text(PairCounts::right(b.pair));
}

void MergeFinder::push(uint64_t pair, uint32_t list) {
  heap_.push_back({counts_[pair], pair, list});
  std::push_heap(heap_.begin(), heap_.end(),
                 [this](const Candidate& a, const Candidate& b) { return is_before(b, a); });
}

MergeFinder::Candidate MergeFinder::pop() {
  std::pop_heap(heap_.begin(), heap_.end(),
                [this](const Candidate& a, const Candidate& b) { return is_before(b, a); });
  const Candidate top = heap_.back();
  heap_.pop_back();
  return top;
}

void MergeFinder::run() {
  while (static_cast<int64_t>(spellings_.size()) < options_.vocab_size && !heap_.empty()) {
    const Candidate top = pop();
    if (top.count != counts_[top.pair]) {
      push(top.pair, top.list);
      continue;
    }
    if (top.count < 1 || top.count < options_.min_frequency) break;
    if (merges_.size() % 256 == 0) check_cancelled("tokenizer.train");
    const int32_t left = PairCounts::left(top.pair), right = PairCounts::right(top.pair);
    // A token that was made before by other merges (or is a special one) keeps its id.
    const int32_t merged = intern(spellings_[left] + spellings_[right]);
    length_[merged] = length_[left] + length_[right];
    merges_.emplace_back(left, right);
    apply(left, right, merged, lists_[top.list]);
    update_counts(left, right, merged);
  }
}

void MergeFinder::apply(int32_t left, int32_t right, int32_t merged, const PositionList& list) {
  before_.clear();
  after_.clear();
  const uint32_t left_size = length_[left], size = length_[merged];
  for (size_t i = list.begin; i < list.begin + list.size; ++i) {
    const Position at = positions_[i];
    if (starts_[at] != left || starts_[at + left_size] != right)
      continue;  // an earlier merge took it
    const int64_t count = word_count_[word_of_[at]];
    starts_[at] = merged;
    starts_[at + left_size] = -1;
    ends_[at + size - 1] = merged;
    const int32_t previous = ends_[at - 1], next = starts_[at + size];
    if (previous >= 0) before_.add(previous, count, at - length_[previous]);
    if (next >= 0) after_.add(next, count, at);
  }
}

void MergeFinder::update_counts(int32_t left, int32_t right, int32_t merged) {
  // All counts first: a pair goes to the heap with its final one.
  for (const int32_t n : before_.touched) {
    counts_[PairCounts::pair(n, left)] -= before_.weight[n];
    counts_[PairCounts::pair(n, merged)] += before_.weight[n];
  }
  for (const int32_t n : after_.touched) {
    counts_[PairCounts::pair(right, n)] -= after_.weight[n];
    counts_[PairCounts::pair(merged, n)] += after_.weight[n];
  }
  // The pair (merged, merged) can come from both sides when the token existed before; it is one
  // candidate.
  const bool twice = before_.places[merged] > 0 && after_.places[merged] > 0;
  if (twice) {
    for (const auto& [n, at] : after_.events) {
      if (n == merged) before_.events.emplace_back(n, at);
    }
    before_.places[merged] += after_.places[merged];
    after_.places[merged] = 0;
    std::stable_sort(before_.events.begin(), before_.events.end(),
                     [](const auto& a, const auto& b) { return a.second < b.second; });
  }
  for (Side* side : {&before_, &after_}) {
    const auto first_list = static_cast<uint32_t>(lists_.size());
    for (const int32_t n : side->touched) {
      lists_.push_back({positions_.size(), 0});
      positions_.resize(positions_.size() + side->places[n]);
    }
    // From here on `places` holds the number of the neighbour's list.
    for (size_t i = 0; i < side->touched.size(); ++i) {
      side->places[side->touched[i]] = first_list + static_cast<uint32_t>(i);
    }
    for (const auto& [n, at] : side->events) {
      if (twice && side == &after_ && n == merged) continue;
      PositionList& list = lists_[side->places[n]];
      positions_[list.begin + list.size++] = at;
    }
    for (size_t i = 0; i < side->touched.size(); ++i) {
      const int32_t n = side->touched[i];
      const uint64_t pair =
          side == &before_ ? PairCounts::pair(n, merged) : PairCounts::pair(merged, n);
      const uint32_t list = first_list + static_cast<uint32_t>(i);
      if (lists_[list].size > 0 && counts_[pair] > 0) push(pair, list);
    }
  }
}

// A pair merged twice (its token existed before, and it came back) has its later rank, as in a file
// that Hugging Face saves.
std::vector<std::pair<int32_t, int32_t>> MergeFinder::merges() const {
  std::unordered_map<uint64_t, size_t> last;
  for (size_t rank = 0; rank < merges_.size(); ++rank) {
    last[PairCounts::pair(merges_[rank].first, merges_[rank].second)] = rank;
  }
  std::vector<std::pair<int32_t, int32_t>> unique;
  for (size_t rank = 0; rank < merges_.size(); ++rank) {
    if (last[PairCounts::pair(merges_[rank].first, merges_[rank].second)] == rank) {
      unique.push_back(merges_[rank]);
    }
  }
  return unique;
}

}  // namespace rmkv
