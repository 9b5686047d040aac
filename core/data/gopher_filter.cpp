// Counting words and lines.
#include "core/data/gopher_filter.h"

#include <cstring>

namespace rmkv {

namespace {

enum Rule {
  kFewWords,
  kManyWords,
  kShortWords,
  kLongWords,
  kHashes,
  kEllipses,
  kBulletLines,
  kEllipsisLines,
  kLetterWords,
  kStopWords
};

constexpr std::string_view kEllipsis = "\xE2\x80\xA6", kBullet = "\xE2\x80\xA2";
constexpr size_t kMostStopWords = 64;

// Non-overlapping occurrences.
int64_t occurrences(std::string_view text, std::string_view part) {
  int64_t count = 0;
  const char *at = text.data(), *end = at + text.size();
  while (const void* found =
             ::memmem(at, static_cast<size_t>(end - at), part.data(), part.size())) {
    ++count;
    at = static_cast<const char*>(found) + part.size();
  }
  return count;
}

bool begins_with(std::string_view line, std::string_view part) {
  return line.substr(0, part.size()) == part;
}

bool ends_with(std::string_view line, std::string_view part) {
  return line.size() >= part.size() && line.substr(line.size() - part.size()) == part;
}

bool equal_in_any_case(std::string_view word, const std::string& lower) {
  if (word.size() != lower.size()) return false;
  for (size_t i = 0; i < word.size(); ++i) {
    char c = word[i];
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    if (c != lower[i]) return false;
  }
  return true;
}

}  // namespace

GopherFilter::GopherFilter(OptionReader& reader) {
  constexpr double kLargestRatio = 1e6;
  reader.read("min_words", options_.min_words, 0);
  reader.read("max_words", options_.max_words, 0);
  reader.read("min_word_length", options_.min_word_length, 0.0);
  reader.read("max_word_length", options_.max_word_length, 0.0);
  reader.read("max_hashes", options_.max_hashes, 0.0, kLargestRatio);
  reader.read("max_ellipses", options_.max_ellipses, 0.0, kLargestRatio);
  reader.read("max_bullet_lines", options_.max_bullet_lines, 0.0, 1.0);
  reader.read("max_ellipsis_lines", options_.max_ellipsis_lines, 0.0, 1.0);
  reader.read("min_letter_words", options_.min_letter_words, 0.0, 1.0);
  reader.read("min_stop_words", options_.min_stop_words, 0);
  reader.read("stop_words", options_.stop_words);
  if (options_.stop_words.size() > kMostStopWords)
    fail("filter gopher: stop_words", std::to_string(options_.stop_words.size()),
         "at most " + std::to_string(kMostStopWords));
}

std::vector<std::string> GopherFilter::rules() const {
  return {"gopher.few_words",    "gopher.many_words",     "gopher.short_words",
          "gopher.long_words",   "gopher.hashes",         "gopher.ellipses",
          "gopher.bullet_lines", "gopher.ellipsis_lines", "gopher.letter_words",
          "gopher.stop_words"};
}

int GopherFilter::judge(uint64_t, Document&, TextScan& scan, bool&) const {
  int64_t solid = 0, with_letter = 0, stop_count = 0;
  uint64_t characters = 0, stop_seen = 0;
  for (const TextWord& word : scan.words()) {
    solid += !word.core.empty();
    characters += word.core_characters;
    with_letter += word.has_letter;
    if (stop_count >= options_.min_stop_words) continue;
    for (size_t i = 0; i < options_.stop_words.size(); ++i) {
      if (stop_seen >> i & 1 || !equal_in_any_case(word.core, options_.stop_words[i])) continue;
      stop_seen |= uint64_t{1} << i;
      ++stop_count;
    }
  }
  if (solid < options_.min_words) return kFewWords;
  if (solid > options_.max_words) return kManyWords;
  const auto words = static_cast<double>(scan.words().size());
  if (solid > 0) {
    double mean = static_cast<double>(characters) / static_cast<double>(solid);
    if (mean < options_.min_word_length) return kShortWords;
    if (mean > options_.max_word_length) return kLongWords;
  }
  std::string_view text = scan.text();
  if (words > 0) {
    if (static_cast<double>(occurrences(text, "#")) / words > options_.max_hashes) return kHashes;
    auto ellipses = static_cast<double>(occurrences(text, "...") + occurrences(text, kEllipsis));
    if (ellipses / words > options_.max_ellipses) return kEllipses;
  }
  int64_t bullets = 0, dots = 0;
  for (std::string_view line : scan.lines()) {
    line = trimmed(line);
    bullets += begins_with(line, kBullet) || begins_with(line, "-");
    dots += ends_with(line, "...") || ends_with(line, kEllipsis);
  }
  const auto lines = static_cast<double>(scan.lines().size());
  if (static_cast<double>(bullets) > options_.max_bullet_lines * lines) return kBulletLines;
  if (static_cast<double>(dots) > options_.max_ellipsis_lines * lines) return kEllipsisLines;
  if (static_cast<double>(with_letter) < options_.min_letter_words * words) return kLetterWords;
  if (stop_count < options_.min_stop_words) return kStopWords;
  return kKept;
}

Table GopherFilter::to_table() const {
  List stop_words;
  for (const std::string& word : options_.stop_words) stop_words.push_back(word);
  return {{"name", "gopher_quality"},
          {"min_words", options_.min_words},
          {"max_words", options_.max_words},
          {"min_word_length", options_.min_word_length},
          {"max_word_length", options_.max_word_length},
          {"max_hashes", options_.max_hashes},
          {"max_ellipses", options_.max_ellipses},
          {"max_bullet_lines", options_.max_bullet_lines},
          {"max_ellipsis_lines", options_.max_ellipsis_lines},
          {"min_letter_words", options_.min_letter_words},
          {"min_stop_words", options_.min_stop_words},
          {"stop_words", std::move(stop_words)}};
}

}  // namespace rmkv
