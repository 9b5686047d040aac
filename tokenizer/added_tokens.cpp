// Search for added tokens: candidates by first byte, then a binary search that narrows byte by
// byte.
#include "tokenizer/added_tokens.h"

#include <algorithm>
#include <cstring>

#include "tokenizer/unicode.h"

namespace rmkv {
namespace {

unsigned char byte_at(std::string_view text, size_t i) {
  return static_cast<unsigned char>(text[i]);
}

uint16_t classes_at(const char* p, const char* end) {
  return UnicodeClasses::instance().of(decode_utf8(p, end).code_point);
}

bool starts_with_word(std::string_view text) {
  return !text.empty() && (classes_at(text.data(), text.data() + text.size()) & kWordClass) != 0;
}

// The size of the character that ends at the end of `text`, which is not empty.
size_t last_char_size(std::string_view text) {
  for (size_t size = std::min<size_t>(4, text.size()); size > 1; --size) {
    const char* p = text.data() + text.size() - size;
    if (decode_utf8(p, p + size).size_bytes == size) return size;
  }
  return 1;
}

bool ends_with_word(std::string_view text) {
  return !text.empty() && starts_with_word(text.substr(text.size() - last_char_size(text)));
}

size_t leading_space_bytes(std::string_view text) {
  const char* const end = text.data() + text.size();
  const char* p = text.data();
  while (p < end && (classes_at(p, end) & kSpaceClass) != 0) p += decode_utf8(p, end).size_bytes;
  return static_cast<size_t>(p - text.data());
}

size_t trailing_space_bytes(std::string_view text) {
  size_t kept = text.size();
  while (kept > 0) {
    const size_t size = last_char_size(text.substr(0, kept));
    const char* p = text.data() + kept - size;
    if ((classes_at(p, p + size) & kSpaceClass) == 0) break;
    kept -= size;
  }
  return text.size() - kept;
}

std::vector<const AddedToken*> tokens_with(const std::vector<AddedToken>& tokens, bool normalized) {
  std::vector<const AddedToken*> found;
  for (const AddedToken& token : tokens) {
    if (token.normalized == normalized) found.push_back(&token);
  }
  return found;
}

}  // namespace

AddedTokenFinder::AddedTokenFinder(std::vector<const AddedToken*> tokens)
    : tokens_(std::move(tokens)) {
  std::sort(tokens_.begin(), tokens_.end(),
            [](const AddedToken* a, const AddedToken* b) { return a->content < b->content; });
  for (const AddedToken* token : tokens_) max_bytes_ = std::max(max_bytes_, token->content.size());
  size_t i = 0;
  for (int byte = 0; byte <= 256; ++byte) {
    while (i < tokens_.size() && byte_at(tokens_[i]->content, 0) < byte) ++i;
    first_of_byte_[byte] = static_cast<uint32_t>(i);
  }
  if (!tokens_.empty() && tokens_.front()->content[0] == tokens_.back()->content[0]) {
    only_first_byte_ = byte_at(tokens_.front()->content, 0);
  }
}

size_t AddedTokenFinder::next_candidate(std::string_view text, size_t from) const {
  if (only_first_byte_ >= 0) {
    const void* hit = std::memchr(text.data() + from, only_first_byte_, text.size() - from);
    return hit == nullptr ? text.size()
                          : static_cast<size_t>(static_cast<const char*>(hit) - text.data());
  }
  while (from < text.size()) {
    const unsigned char byte = byte_at(text, from);
    if (first_of_byte_[byte] != first_of_byte_[byte + 1]) break;
    ++from;
  }
  return from;
}

const AddedToken* AddedTokenFinder::longest_match(std::string_view text) const {
  const unsigned char first = byte_at(text, 0);
  auto low = tokens_.begin() + first_of_byte_[first];
  auto high = tokens_.begin() + first_of_byte_[first + 1];
  const AddedToken* best = nullptr;
  // [low, high) are the tokens that begin with the first `size` bytes of the text; one that has no
  // more bytes sorts first among them.
  for (size_t size = 1; low < high; ++size) {
    if ((*low)->content.size() == size) best = *low++;
    if (size == text.size()) break;
    const unsigned char byte = byte_at(text, size);
    low = std::partition_point(
        low, high, [&](const AddedToken* t) { return byte_at(t->content, size) < byte; });
    high = std::partition_point(
        low, high, [&](const AddedToken* t) { return byte_at(t->content, size) == byte; });
  }
  return best;
}

bool AddedTokenFinder::touches(std::string_view text, size_t at) const {
  for (size_t start = at - std::min(at, max_bytes_); start <= at && start < text.size(); ++start) {
    const AddedToken* const longest = longest_match(text.substr(start));
    if (longest != nullptr && start + longest->content.size() >= at) return true;
  }
  return false;
}

void AddedTokenFinder::find(std::string_view text, bool parse_special,
                            std::vector<TextPiece>& pieces) const {
  if (text.empty()) return;
  if (tokens_.empty()) {
    pieces.push_back({text, -1});
    return;
  }
  size_t done = 0;
  for (size_t at = next_candidate(text, 0); at < text.size(); at = next_candidate(text, at)) {
    const AddedToken* token = longest_match(text.substr(at));
    if (token == nullptr) {
      ++at;
      continue;
    }
    size_t start = at, stop = at + token->content.size();
    at = stop;
    if (token->special && !parse_special) continue;
    if (token->single_word &&
        (ends_with_word(text.substr(0, start)) || starts_with_word(text.substr(stop)))) {
      continue;
    }
    if (token->lstrip) start -= trailing_space_bytes(text.substr(0, start));
    start = std::max(start, done);
    if (token->rstrip) stop += leading_space_bytes(text.substr(stop));
    if (start > done) pieces.push_back({text.substr(done, start - done), -1});
    pieces.push_back({text.substr(start, stop > start ? stop - start : 0), token->id});
    done = std::max(done, stop);
  }
  if (done < text.size()) pieces.push_back({text.substr(done), -1});
}

AddedTokens::AddedTokens(const std::vector<AddedToken>& tokens)
    : raw_(tokens_with(tokens, false)), normalized_(tokens_with(tokens, true)) {}

void AddedTokens::cut(std::string_view text, bool parse_special,
                      std::vector<TextPiece>& pieces) const {
  pieces.clear();
  raw_.find(text, parse_special, pieces);
  if (normalized_.empty()) return;
  std::vector<TextPiece> raw_pieces;
  raw_pieces.swap(pieces);
  for (const TextPiece& piece : raw_pieces) {
    if (piece.id >= 0) {
      pieces.push_back(piece);
    } else {
      normalized_.find(piece.text, parse_special, pieces);
    }
  }
}

}  // namespace rmkv
