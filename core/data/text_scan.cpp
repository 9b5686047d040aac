// One pass over the bytes; tables for ASCII, Unicode 16.0 classes for the rest.
#include "core/data/text_scan.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "tokenizer/unicode.h"

namespace rmkv {

namespace {

enum Kind : uint8_t { kBlank = 1, kLetter = 2, kSolid = 4 };  // solid: letter, number or mark

std::array<uint8_t, 128> make_ascii_kinds() {
  std::array<uint8_t, 128> kinds{};
  for (unsigned char c : {' ', '\t', '\n', '\v', '\f', '\r'}) kinds[c] = kBlank;
  for (int c = '0'; c <= '9'; ++c) kinds[static_cast<size_t>(c)] = kSolid;
  for (int c = 'a'; c <= 'z'; ++c) {
    kinds[static_cast<size_t>(c)] = kLetter | kSolid;
    kinds[static_cast<size_t>(c - 'a' + 'A')] = kLetter | kSolid;
  }
  return kinds;
}

uint8_t kind_of(uint32_t code_point, const UnicodeClasses& classes) {
  if (code_point == kInvalidCodePoint) return 0;
  uint16_t bits = classes.of(code_point);
  if (bits & kSpaceClass) return kBlank;
  uint8_t kind = 0;
  if (bits & kLetterClass) kind = kLetter | kSolid;
  if (bits & (kNumberClass | kMarkClass)) kind |= kSolid;
  return kind;
}

}  // namespace

const std::vector<TextWord>& TextScan::words() {
  if (has_words_) return words_;
  has_words_ = true;
  static const std::array<uint8_t, 128> ascii = make_ascii_kinds();
  const UnicodeClasses& classes = UnicodeClasses::instance();
  words_.reserve(text_.size() / 5);
  const char *at = text_.data(), *end = at + text_.size();
  // Of the word that is open: its begin, its core, and characters up to places in it.
  const char *begin = nullptr, *core_begin = nullptr, *core_end = nullptr;
  uint32_t count = 0, before_core = 0, to_core_end = 0;
  uint8_t seen = 0;
  auto close = [&](const char* here) {
    if (begin == nullptr) return;
    TextWord word;
    word.whole = {begin, static_cast<size_t>(here - begin)};
    word.characters = count;
    word.has_letter = seen & kLetter;
    if (core_begin != nullptr) {
      word.core = {core_begin, static_cast<size_t>(core_end - core_begin)};
      word.core_characters = to_core_end - before_core;
    }
    words_.push_back(word);
    begin = core_begin = nullptr;
    seen = 0;
  };
  while (at < end) {
    const auto byte = static_cast<unsigned char>(*at);
    uint8_t kind;
    uint32_t size = 1;
    if (byte < 128) {
      kind = ascii[byte];
    } else {
      Utf8Char character = decode_utf8(at, end);
      kind = kind_of(character.code_point, classes);
      size = character.size_bytes;
    }
    if (kind == kBlank) {
      close(at);
    } else {
      if (begin == nullptr) {
        begin = at;
        count = 0;
      }
      if (kind & kSolid) {
        if (core_begin == nullptr) {
          core_begin = at;
          before_core = count;
        }
        core_end = at + size;
        to_core_end = count + 1;
      }
      seen |= kind;
      ++count;
    }
    at += size;
  }
  close(end);
  return words_;
}

const std::vector<std::string_view>& TextScan::lines() {
  if (has_lines_) return lines_;
  has_lines_ = true;
  for (size_t begin = 0; begin < text_.size();) {
    const void* found = std::memchr(text_.data() + begin, '\n', text_.size() - begin);
    size_t end = found == nullptr
                     ? text_.size()
                     : static_cast<size_t>(static_cast<const char*>(found) - text_.data());
    size_t length = end - begin;
    if (length > 0 && text_[end - 1] == '\r') --length;
    lines_.push_back(text_.substr(begin, length));
    begin = end + 1;
  }
  return lines_;
}

uint64_t TextScan::characters() {
  if (!has_characters_) characters_ = count_characters(text_);
  has_characters_ = true;
  return characters_;
}

uint64_t count_characters(std::string_view text) {
  uint64_t count = 0;
  for (char c : text) count += (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  return count;
}

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kBlanks = " \t\n\v\f\r";
  size_t begin = text.find_first_not_of(kBlanks);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kBlanks) - begin + 1);
}

void SeenHashes::begin(size_t most) {
  size_t size = 16;
  while (size < 2 * most) size *= 2;
  if (slots_.size() < size || ++round_ == 0) {
    slots_.assign(std::max(size, slots_.size()), Slot());
    round_ = 1;
  }
  // A small text uses the beginning of a large table only.
  mask_ = size - 1;
}

const SeenHashes::Slot& SeenHashes::find(uint64_t hash) const {
  uint64_t place = hash & mask_;
  while (slots_[place].round == round_ && slots_[place].hash != hash) place = (place + 1) & mask_;
  return slots_[place];
}

uint32_t SeenHashes::add(uint64_t hash) {
  Slot& slot = const_cast<Slot&>(find(hash));
  if (slot.round != round_) slot = {hash, round_, 0};
  return slot.count++;
}

uint32_t SeenHashes::count(uint64_t hash) const {
  const Slot& slot = find(hash);
  return slot.round == round_ ? slot.count : 0;
}

}  // namespace rmkv
