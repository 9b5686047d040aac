// The parts of a byte-level BPE tokenizer put together, and the encoding loop.
#include "tokenizer/bpe_tokenizer.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>
#include <new>

#include "core/base/error.h"
#include "tokenizer/byte_level.h"
#include "tokenizer/tokenizer_json.h"
#include "tokenizer/word_cache.h"
#include "tokenizer/word_merger.h"

namespace rmkv {
namespace {

// So many words are split, hashed and prefetched before the first is looked up.
constexpr size_t kBatchWords = 256;
// Most tokens are no longer.
constexpr size_t kCopyBytes = 16;
// The longest word whose buffers stay for the next call.
constexpr size_t kKeptSymbols = size_t{1} << 16;
// A short word has at most as many tokens as bytes.
constexpr size_t kGatheredIds = kBatchWords * WordKey::kMaxBytes + WordCache::kInlineIds + 1;

std::vector<MergeTable::Merge> resolve_merges(const BpeSpec& spec, const std::string& where) {
  std::unordered_map<std::string_view, int32_t> id_of;
  id_of.reserve(spec.spellings.size());
  for (size_t id = 0; id < spec.spellings.size(); ++id) {
    if (!spec.spellings[id].empty()) id_of.emplace(spec.spellings[id], static_cast<int32_t>(id));
  }
  if (spec.merges.size() > MergeTable::kMaxMerges) {
    fail(where, std::to_string(spec.merges.size()) + " merges",
         "at most " + std::to_string(MergeTable::kMaxMerges));
  }
  std::vector<MergeTable::Merge> merges;
  merges.reserve(spec.merges.size());
  std::string whole;
  for (const auto& [left, right] : spec.merges) {
    whole = spec.spellings[left];
    whole += spec.spellings[right];
    const auto found = id_of.find(whole);
    if (found == id_of.end()) {
      fail(where, "a merge that makes '" + whole + "'",
           "a merge whose result is in the vocabulary");
    }
    merges.push_back({left, right, found->second});
  }
  return merges;
}

}  // namespace

struct BpeTokenizer::Scratch {
  WordCache cache;
  MergeScratch merge;
  std::vector<TextPiece> pieces;
};

class BpeTokenizer::ScratchLease {
 public:
  explicit ScratchLease(const BpeTokenizer& owner) : owner_(owner) {
    {
      const std::lock_guard lock(owner_.idle_mutex_);
      if (!owner_.idle_.empty()) {
        scratch_ = std::move(owner_.idle_.back());
        owner_.idle_.pop_back();
      }
    }
    if (scratch_ == nullptr) scratch_ = std::make_unique<Scratch>();
  }
  ~ScratchLease() {
    // One word of megabytes needs large buffers; they are not kept.
    if (scratch_->merge.ids.capacity() > kKeptSymbols) scratch_->merge = MergeScratch();
    const std::lock_guard lock(owner_.idle_mutex_);
    try {
      owner_.idle_.push_back(std::move(scratch_));
    } catch (const std::bad_alloc&) {  // then this one is not kept
    }
  }
  ScratchLease(const ScratchLease&) = delete;
  Scratch& operator*() { return *scratch_; }

 private:
  const BpeTokenizer& owner_;
  std::unique_ptr<Scratch> scratch_;
};

BpeTokenizer::BpeTokenizer(BpeSpec spec, const std::string& where)
    : spec_(std::move(spec)),
      merges_(resolve_merges(spec_, where)),
      whole_words_(spec_.spellings.size()),
      added_tokens_(spec_.added_tokens) {
  add_bytes_of_tokens();
  std::fill(std::begin(byte_ids_), std::end(byte_ids_), -1);
  for (int byte = 0; byte < 256; ++byte) {
    const char c = static_cast<char>(byte);
    const auto found = id_of_bytes_.find(std::string_view(&c, 1));
    if (found != id_of_bytes_.end()) byte_ids_[byte] = found->second;
  }
  add_whole_words();
  for (const std::string& regex : spec_.split_regexes) {
    splitters_.push_back(make_splitter_of_regex(regex, where));
  }
  if (spec_.byte_level_regex) splitters_.push_back(make_splitter(SplitPattern::kGpt2));
  const bool all_bytes =
      std::find(std::begin(byte_ids_), std::end(byte_ids_), -1) == std::end(byte_ids_);
  only_bytes_ =
      merges_.merges().empty() && all_bytes && !spec_.ignore_merges && !spec_.add_prefix_space;
}

BpeTokenizer::~BpeTokenizer() = default;

// Added tokens hide the vocabulary's entry of the same id, as they do for Hugging Face.
void BpeTokenizer::add_bytes_of_tokens() {
  size_t size = spec_.spellings.size();
  for (const AddedToken& token : spec_.added_tokens) {
    size = std::max(size, static_cast<size_t>(token.id) + 1);
  }
  std::vector<const AddedToken*> added(size, nullptr);
  special_.assign(size, false);
  for (const AddedToken& token : spec_.added_tokens) {
    added[token.id] = &token;
    special_[token.id] = token.special;
    id_of_content_.emplace(token.content, token.id);
  }
  offsets_.reserve(size + 1);
  std::vector<bool> spelled(size, false);
  for (size_t id = 0; id < size; ++id) {
    offsets_.push_back(static_cast<uint32_t>(bytes_.size()));
    if (added[id] != nullptr) {
      bytes_ += added[id]->content;
    } else if (const auto bytes = unspell_bytes(spec_.spellings[id])) {
      bytes_ += *bytes;
      spelled[id] = true;
    } else {
      bytes_ += spec_.spellings[id];
    }
  }
  offsets_.push_back(static_cast<uint32_t>(bytes_.size()));
  bytes_.append(kCopyBytes, '\0');
  id_of_bytes_.reserve(size);
  for (size_t id = 0; id < spec_.spellings.size(); ++id) {
    if (spelled[id] && !spec_.spellings[id].empty()) {
      id_of_bytes_.emplace(token_bytes(static_cast<int32_t>(id)), static_cast<int32_t>(id));
    }
  }
}

void BpeTokenizer::add_whole_words() {
  const std::vector<bool> whole = find_whole_tokens(merges_, byte_ids_, spec_.spellings.size());
  for (const auto& [bytes, id] : id_of_bytes_) {
    if (bytes.size() <= WordKey::kMaxBytes && (spec_.ignore_merges || whole[id])) {
      whole_words_.insert(bytes, id);
    }
  }
}

std::string_view BpeTokenizer::token_bytes(int32_t id) const {
  if (id < 0 || id >= vocab_size()) {
    fail("tokenizer.token_bytes", "id " + std::to_string(id),
         "an id from 0 to " + std::to_string(vocab_size() - 1));
  }
  return std::string_view(bytes_).substr(offsets_[id], offsets_[id + 1] - offsets_[id]);
}

std::string BpeTokenizer::decode(std::span<const int32_t> ids, bool skip_special) const {
  size_t size = 0;
  for (const int32_t id : ids) size += token_bytes(id).size();
  std::string text(size + kCopyBytes, '\0');
  char* out = text.data();
  for (const int32_t id : ids) {
    if (skip_special && special_[id]) continue;
    const char* const from = bytes_.data() + offsets_[id];
    const size_t token_size = offsets_[id + 1] - offsets_[id];
    // A fixed number of bytes is copied faster than the right number; the next token overwrites the
    // rest.
    std::memcpy(out, from, kCopyBytes);
    if (token_size > kCopyBytes) std::memcpy(out, from, token_size);
    out += token_size;
  }
  text.resize(static_cast<size_t>(out - text.data()));
  return text;
}

std::optional<int32_t> BpeTokenizer::token_id(std::string_view bytes) const {
  if (const auto found = id_of_content_.find(bytes); found != id_of_content_.end())
    return found->second;
  if (const auto found = id_of_bytes_.find(bytes); found != id_of_bytes_.end())
    return found->second;
  return std::nullopt;
}

bool BpeTokenizer::is_special(int32_t id) const {
  return id >= 0 && id < vocab_size() && special_[id];
}

std::string BpeTokenizer::to_json() const {
  return write_tokenizer_json(spec_);
}

void BpeTokenizer::encode_to(std::string_view text, const EncodeOptions& options,
                             std::vector<int32_t>& ids) const {
  ScratchLease lease(*this);
  Scratch& scratch = *lease;
  added_tokens_.cut(text, options.parse_special, scratch.pieces);
  for (const TextPiece& piece : scratch.pieces) {
    if (piece.id >= 0) {
      ids.push_back(piece.id);
    } else {
      encode_text(piece.text, scratch, ids);
    }
  }
}

void BpeTokenizer::encode_text(std::string_view text, Scratch& scratch,
                               std::vector<int32_t>& ids) const {
  if (only_bytes_) {
    for (const char c : text) ids.push_back(byte_ids_[static_cast<unsigned char>(c)]);
  } else {
    encode_step(0, text, scratch, ids);
  }
}

void BpeTokenizer::encode_step(size_t step, std::string_view text, Scratch& scratch,
                               std::vector<int32_t>& ids) const {
  std::string spaced;
  if (step == spec_.split_regexes.size() && spec_.add_prefix_space && text.front() != ' ') {
    spaced.reserve(text.size() + 1);
    spaced = ' ';
    spaced += text;
    text = spaced;
  }
  const char* const text_end = text.data() + text.size();
  if (step == splitters_.size()) {
    encode_words({&text, 1}, text_end, scratch, ids);
    return;
  }
  std::array<std::string_view, kBatchWords> words;
  const bool last_step = step + 1 == splitters_.size() &&
                         !(step + 1 == spec_.split_regexes.size() && spec_.add_prefix_space);
  for (size_t begin = 0; begin < text.size();) {
    const size_t count = splitters_[step]->split(text, begin, words);
    const std::span<const std::string_view> found(words.data(), count);
    begin = static_cast<size_t>(found.back().data() + found.back().size() - text.data());
    if (last_step) {
      encode_words(found, text_end, scratch, ids);
    } else {
      for (const std::string_view word : found) encode_step(step + 1, word, scratch, ids);
    }
  }
}

void BpeTokenizer::encode_words(std::span<const std::string_view> words, const char* text_end,
                                Scratch& scratch, std::vector<int32_t>& ids) const {
  WordKey keys[kBatchWords];
  uint64_t hashes[kBatchWords];
  for (size_t i = 0; i < words.size(); ++i) {
    if (words[i].size() > WordKey::kMaxBytes) continue;
    keys[i] = WordKey::pack(words[i], text_end - words[i].data() >= 16);
    hashes[i] = keys[i].hash();
    scratch.cache.prefetch(hashes[i]);
  }
  // Short words' ids are gathered here: each writes kInlineIds, and the next overwrites what was
  // too much.
  int32_t gathered[kGatheredIds];
  size_t count = 0;
  for (size_t i = 0; i < words.size(); ++i) {
    const int32_t* word_ids = nullptr;
    size_t word_count = 0;
    const bool is_short = words[i].size() <= WordKey::kMaxBytes;
    const WordCache::Entry* const entry =
        is_short ? scratch.cache.find(keys[i], hashes[i]) : nullptr;
    if (entry != nullptr && entry->count <= WordCache::kInlineIds) [[likely]] {
      std::memcpy(gathered + count, entry->ids, 16);  // three ids and, to be overwritten, the count
      count += entry->count;
    } else {
      const int32_t whole =
          is_short && entry == nullptr ? whole_words_.find(keys[i], hashes[i]) : -1;
      if (entry != nullptr) {
        word_ids = scratch.cache.ids(*entry);
        word_count = entry->count;
      } else if (whole >= 0) {
        word_ids = &whole;
        word_count = 1;
      } else {
        merge_word(words[i], scratch);
        word_ids = scratch.merge.ids.data();
        word_count = scratch.merge.ids.size();
      }
      if (is_short && entry == nullptr) {
        scratch.cache.insert(keys[i], hashes[i], word_ids, word_count);
      }
      if (word_count <= WordKey::kMaxBytes) {
        std::copy(word_ids, word_ids + word_count, gathered + count);
        count += word_count;
      } else {
        ids.insert(ids.end(), gathered, gathered + count);
        ids.insert(ids.end(), word_ids, word_ids + word_count);
        count = 0;
      }
    }
  }
  ids.insert(ids.end(), gathered, gathered + count);
}

// Leaves the tokens of the word in scratch.merge.ids.
void BpeTokenizer::merge_word(std::string_view word, Scratch& scratch) const {
  if (word.size() >= std::numeric_limits<uint32_t>::max()) {
    fail("tokenizer.encode", "a word of " + std::to_string(word.size()) + " bytes",
         "words under 4 GiB");
  }
  std::vector<int32_t>& ids = scratch.merge.ids;
  ids.clear();
  if (spec_.ignore_merges) {
    if (const auto found = id_of_bytes_.find(word); found != id_of_bytes_.end()) {
      ids.push_back(found->second);
      return;
    }
  }
  bool after_unknown = false;
  for (const char c : word) {
    const int32_t id = byte_ids_[static_cast<unsigned char>(c)];
    const bool unknown = id < 0;
    if (!unknown) {
      ids.push_back(id);
    } else if (spec_.unknown_id >= 0 && !(after_unknown && spec_.fuse_unknown)) {
      ids.push_back(spec_.unknown_id);
    }
    after_unknown = unknown;
  }
  merge_symbols(merges_, scratch.merge);
}

}  // namespace rmkv
