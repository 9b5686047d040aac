// The serial half of BPE training: from counted words to the list of merges.
//
// Every word is laid out once as an array of symbols; for each pair the places where it stands are
// listed, so a merge touches only those.  Pairs wait in a heap whose entries may be out of date;
// one that is when it comes to the top goes back with its present count.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "tokenizer/bpe_trainer.h"
#include "tokenizer/pair_counts.h"

namespace rmkv {

// Distinct words (bytes) and how often each occurs.
using WordCounts = std::vector<std::pair<std::string, uint64_t>>;

class MergeFinder {
 public:
  MergeFinder(const BpeTrainerOptions& options, const WordCounts& words);

  // Merges until the vocabulary is full or no pair is frequent enough.
  void run();

  // Spellings by id and the merges in order.
  std::vector<std::string> take_spellings() { return std::move(spellings_); }
  std::vector<std::pair<int32_t, int32_t>> merges() const;

 private:
  using Position = uint32_t;

  // A pair that waits, with the places where it stood when the entry was made.
  struct Candidate {
    int64_t count;
    uint64_t pair;
    uint32_t list;  // index into lists_
  };
  struct PositionList {
    size_t begin, size;  // in positions_
  };
  // What one merge does to the pairs with its neighbours on one side, gathered per neighbour before
  // it is written to the (much larger) table of counts.
  struct Side {
    // By neighbour's id: how often the old pair was lost and the new one gained, and in how many
    // places.
    std::vector<int64_t> weight;
    std::vector<uint32_t> places;
    std::vector<int32_t> touched;  // neighbours with places > 0
    std::vector<std::pair<int32_t, Position>> events;
    void add(int32_t neighbour, int64_t count, Position position);
    void clear();
  };

  int32_t intern(const std::string& spelling);
  // Makes the ids of single symbols.
  void add_byte_symbols();
  void add_character_symbols(const WordCounts& words);
  // The symbols of a word; -1 for what never merges.
  void symbols_of(std::string_view word, std::vector<int32_t>& symbols) const;
  void lay_out(const WordCounts& words);
  void list_initial_pairs();
  bool is_before(const Candidate& a, const Candidate& b) const;
  void push(uint64_t pair, uint32_t list);
  Candidate pop();
  void apply(int32_t left, int32_t right, int32_t merged, const PositionList& list);
  void update_counts(int32_t left, int32_t right, int32_t merged);

  const BpeTrainerOptions options_;
  std::vector<std::string> spellings_;              // by id
  std::unordered_map<std::string, int32_t> id_of_;  // of a spelling
  std::vector<uint32_t> length_;                    // in symbols, by id
  int32_t id_of_byte_[256];
  std::unordered_map<uint32_t, int32_t> id_of_character_;
  std::vector<std::pair<int32_t, int32_t>> merges_;

  // Places of all words one after another, each word followed by one place that belongs to none.
  std::vector<int32_t> starts_;  // the symbol that starts here, or -1
  std::vector<int32_t> ends_;  // the symbol that ends here; -1 between words; stale inside a symbol
  std::vector<uint32_t> word_of_;
  std::vector<int64_t> word_count_;

  PairCounts counts_;
  std::vector<Position> positions_;  // of all lists, each ascending
  std::vector<PositionList> lists_;
  std::vector<Candidate> heap_;
  Side before_, after_;  // neighbours to the left and to the right of a merge
};

}  // namespace rmkv
