// Groups of words as hashes, one word longer with each pass.
#include "core/data/repetition_filter.h"

#include "core/base/random.h"

namespace rmkv {

namespace {

enum Rule {
  kParagraphs,
  kParagraphCharacters,
  kLines,
  kLineCharacters,
  kTop,
  kRepeated = kTop + 3
};

constexpr size_t kTopFirst = 2, kTopLast = 4, kRepeatedFirst = 5, kRepeatedLast = 10;  // words

uint64_t hash_of(std::string_view text) {
  return std::hash<std::string_view>()(text);
}

struct Repeats {
  uint64_t pieces = 0, repeated = 0, characters = 0;  // characters of the repeated ones
};

void add_piece(std::string_view piece, SeenHashes& seen, Repeats& repeats) {
  ++repeats.pieces;
  if (seen.add(hash_of(piece)) == 0) return;
  ++repeats.repeated;
  repeats.characters += count_characters(piece);
}

// Pieces between runs of at least `least` line ends; empty ones do not count.
Repeats repeated_pieces(std::string_view text, size_t least, size_t most, SeenHashes& seen) {
  Repeats repeats;
  seen.begin(most);
  size_t begin = 0;
  for (size_t at = text.find('\n'); at != std::string_view::npos; at = text.find('\n', at)) {
    size_t end = at;
    while (at < text.size() && text[at] == '\n') ++at;
    if (at - end < least) continue;
    if (end > begin) add_piece(text.substr(begin, end - begin), seen, repeats);
    begin = at;
  }
  if (begin < text.size()) add_piece(text.substr(begin), seen, repeats);
  return repeats;
}

}  // namespace

RepetitionFilter::RepetitionFilter(OptionReader& reader) {
  reader.read("max_paragraphs", options_.max_paragraphs, 0.0, 1.0);
  reader.read("max_paragraph_characters", options_.max_paragraph_characters, 0.0, 1.0);
  reader.read("max_lines", options_.max_lines, 0.0, 1.0);
  reader.read("max_line_characters", options_.max_line_characters, 0.0, 1.0);
  reader.read("max_top", options_.max_top);
  reader.read("max_repeated", options_.max_repeated);
  auto check = [](const char* name, const std::vector<double>& list, size_t size) {
    if (list.size() != size)
      fail(std::string("filter gopher: ") + name, std::to_string(list.size()) + " numbers",
           std::to_string(size));
  };
  check("max_top", options_.max_top, kTopLast - kTopFirst + 1);
  check("max_repeated", options_.max_repeated, kRepeatedLast - kRepeatedFirst + 1);
}

std::vector<std::string> RepetitionFilter::rules() const {
  std::vector<std::string> names = {"gopher.paragraphs", "gopher.paragraph_characters",
                                    "gopher.lines", "gopher.line_characters"};
  for (size_t n = kTopFirst; n <= kTopLast; ++n)
    names.push_back("gopher.top_" + std::to_string(n) + "_words");
  for (size_t n = kRepeatedFirst; n <= kRepeatedLast; ++n)
    names.push_back("gopher.repeated_" + std::to_string(n) + "_words");
  return names;
}

int RepetitionFilter::judge(uint64_t, Document&, TextScan& scan, bool&) const {
  static thread_local SeenHashes seen;
  static thread_local std::vector<uint64_t> groups, single;
  const auto characters = static_cast<double>(scan.characters());
  if (characters == 0) return kKept;
  const size_t most = scan.lines().size() + 1;
  auto share = [](uint64_t part, double all) { return static_cast<double>(part) / all; };
  Repeats paragraphs = repeated_pieces(trimmed(scan.text()), 2, most, seen);
  if (paragraphs.pieces > 0 &&
      share(paragraphs.repeated, static_cast<double>(paragraphs.pieces)) > options_.max_paragraphs)
    return kParagraphs;
  if (share(paragraphs.characters, characters) > options_.max_paragraph_characters)
    return kParagraphCharacters;
  Repeats lines = repeated_pieces(scan.text(), 1, most, seen);
  if (lines.pieces > 0 &&
      share(lines.repeated, static_cast<double>(lines.pieces)) > options_.max_lines)
    return kLines;
  if (share(lines.characters, characters) > options_.max_line_characters) return kLineCharacters;

  const std::vector<TextWord>& words = scan.words();
  groups.clear();
  for (const TextWord& word : words) groups.push_back(hash_of(word.whole));
  single = groups;
  for (size_t n = 2; n <= kRepeatedLast && n <= words.size(); ++n) {
    const size_t count = words.size() - n + 1;
    for (size_t i = 0; i < count; ++i) groups[i] = mix64(groups[i], single[i + n - 1]);
    auto length = [&](size_t first) {
      uint64_t sum = 0;
      for (size_t i = first; i < first + n; ++i) sum += words[i].characters;
      return sum;
    };
    seen.begin(count);
    if (n <= kTopLast) {
      uint32_t most_often = 0;
      for (size_t i = 0; i < count; ++i) most_often = std::max(most_often, seen.add(groups[i]) + 1);
      // Of several that are as frequent, the first.
      size_t first = 0;
      while (seen.count(groups[first]) < most_often) ++first;
      if (share((length(first) + n - 1) * most_often, characters) > options_.max_top[n - kTopFirst])
        return kTop + static_cast<int>(n - kTopFirst);
      continue;
    }
    uint64_t repeated = 0;
    for (size_t i = 0; i < count;) {
      bool before = seen.add(groups[i]) > 0;
      if (before) repeated += length(i);
      i += before ? n : 1;
    }
    if (share(repeated, characters) > options_.max_repeated[n - kRepeatedFirst])
      return kRepeated + static_cast<int>(n - kRepeatedFirst);
  }
  return kKept;
}

Table RepetitionFilter::to_table() const {
  List top(options_.max_top.begin(), options_.max_top.end());
  List repeated(options_.max_repeated.begin(), options_.max_repeated.end());
  return {{"name", "gopher_repetition"},
          {"max_paragraphs", options_.max_paragraphs},
          {"max_paragraph_characters", options_.max_paragraph_characters},
          {"max_lines", options_.max_lines},
          {"max_line_characters", options_.max_line_characters},
          {"max_top", std::move(top)},
          {"max_repeated", std::move(repeated)}};
}

}  // namespace rmkv
