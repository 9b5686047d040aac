// Line by line; phrases are looked for in the whole text first, since most texts have none.
#include "core/data/c4_filter.h"

#include <array>
#include <cstring>

namespace rmkv {

namespace {

enum Rule { kLoremIpsum, kCurlyBracket, kFewSentences };

constexpr std::array<std::string_view, 6> kPolicies = {"terms of use",   "privacy policy",
                                                       "cookie policy",  "uses cookies",
                                                       "use of cookies", "use cookies"};
// A text with none of these has no policy either.
constexpr std::array<std::string_view, 3> kPolicyWords = {"terms of use", "privacy policy",
                                                          "cookie"};

bool contains(std::string_view text, std::string_view part) {
  return ::memmem(text.data(), text.size(), part.data(), part.size()) != nullptr;
}

template <size_t N>
bool contains_any(std::string_view text, const std::array<std::string_view, N>& parts) {
  for (std::string_view part : parts) {
    if (contains(text, part)) return true;
  }
  return false;
}

void lower_ascii(std::string_view text, std::string& out) {
  out.resize(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    out[i] = static_cast<char>(c + ((c >= 'A' && c <= 'Z') ? 'a' - 'A' : 0));
  }
}

bool is_blank(char c) {
  return c == ' ' || (c >= '\t' && c <= '\r');
}

// Without [digits], [edit] and [citation needed]; the line itself when it has none.
std::string_view without_citations(std::string_view line, std::string& held) {
  size_t open = line.find('[');
  if (open == std::string_view::npos) return line;
  held.clear();
  size_t copied = 0;
  for (; open != std::string_view::npos; open = line.find('[', open)) {
    std::string_view rest = line.substr(open + 1);
    size_t digits = 0;
    while (digits < rest.size() && rest[digits] >= '0' && rest[digits] <= '9') ++digits;
    size_t length = 0;
    if (digits < rest.size() && rest[digits] == ']') length = digits + 2;
    for (std::string_view mark : {"edit]", "citation needed]"}) {
      if (rest.substr(0, mark.size()) == mark) length = mark.size() + 1;
    }
    if (length == 0) {
      ++open;
      continue;
    }
    held.append(line, copied, open - copied);
    copied = open += length;
  }
  if (copied == 0) return line;
  held.append(line, copied);
  return held;
}

bool ends_well(std::string_view line) {
  if (line.empty() || line.substr(line.size() - std::min<size_t>(3, line.size())) == "...")
    return false;
  return std::strchr(".?!\"'", line.back()) != nullptr;
}

// At least one in a line that is not empty.
int64_t count_sentences(std::string_view line) {
  int64_t count = 0;
  for (size_t i = line.find_first_of(".?!"); i != std::string_view::npos;
       i = line.find_first_of(".?!", i)) {
    while (i < line.size() && std::strchr(".?!\"')]", line[i]) != nullptr && line[i] != 0) ++i;
    if (i >= line.size() || is_blank(line[i])) ++count;
  }
  return std::max<int64_t>(count, line.empty() ? 0 : 1);
}

struct Words {
  int64_t count = 0;
  bool too_long = false;
};

Words words_of(std::string_view line, int64_t longest) {
  Words words;
  for (size_t i = 0; i < line.size();) {
    while (i < line.size() && is_blank(line[i])) ++i;
    size_t begin = i;
    while (i < line.size() && !is_blank(line[i])) ++i;
    if (i == begin) break;
    ++words.count;
    if (static_cast<int64_t>(i - begin) > longest)
      words.too_long |=
          static_cast<int64_t>(count_characters(line.substr(begin, i - begin))) > longest;
  }
  return words;
}

}  // namespace

C4Filter::C4Filter(OptionReader& reader) {
  reader.read("min_sentences", options_.min_sentences, 0);
  reader.read("min_line_words", options_.min_line_words, 0);
  reader.read("max_word_length", options_.max_word_length, 1);
  reader.read("end_punctuation", options_.end_punctuation);
  reader.read("citations", options_.citations);
  reader.read("javascript", options_.javascript);
  reader.read("policies", options_.policies);
  reader.read("lorem_ipsum", options_.lorem_ipsum);
  reader.read("curly_brackets", options_.curly_brackets);
}

std::vector<std::string> C4Filter::rules() const {
  return {"c4.lorem_ipsum", "c4.curly_bracket", "c4.few_sentences"};
}

int C4Filter::judge(uint64_t, Document& document, TextScan& scan, bool& edited) const {
  static thread_local std::string lower, lower_line, held;
  lower_ascii(scan.text(), lower);
  const bool has_lorem = options_.lorem_ipsum && contains(lower, "lorem ipsum");
  const bool has_script = options_.javascript && contains(lower, "javascript");
  const bool has_policy = options_.policies && contains_any(lower, kPolicyWords);
  const bool plain = document.loss_spans.empty();
  int64_t sentences = 0;
  std::string kept;
  kept.reserve(scan.text().size());
  for (std::string_view line : scan.lines()) {
    line = trimmed(line);
    Words words = words_of(line, options_.max_word_length);
    bool keep = !words.too_long;
    if (keep && options_.citations) line = without_citations(line, held);
    keep = keep && (!options_.end_punctuation || ends_well(line)) &&
           words.count >= options_.min_line_words;
    if (keep) {
      if (has_lorem || has_script || has_policy) lower_ascii(line, lower_line);
      if (has_lorem && contains(lower_line, "lorem ipsum")) return kLoremIpsum;
      if (has_script && contains(lower_line, "javascript")) {
        keep = false;
      } else if (options_.curly_brackets && line.find('{') != std::string_view::npos) {
        return kCurlyBracket;
      } else if (has_policy && contains_any(lower_line, kPolicies)) {
        keep = false;
      }
    }
    if (!keep) continue;
    sentences += count_sentences(line);
    if (!kept.empty()) kept += '\n';
    kept += line;
  }
  if (sentences < options_.min_sentences) return kFewSentences;
  if (plain) {
    document.text = trimmed(kept);
    edited = true;
  }
  return kKept;
}

Table C4Filter::to_table() const {
  return {{"name", "c4"},
          {"min_sentences", options_.min_sentences},
          {"min_line_words", options_.min_line_words},
          {"max_word_length", options_.max_word_length},
          {"end_punctuation", options_.end_punctuation},
          {"citations", options_.citations},
          {"javascript", options_.javascript},
          {"policies", options_.policies},
          {"lorem_ipsum", options_.lorem_ipsum},
          {"curly_brackets", options_.curly_brackets}};
}

}  // namespace rmkv
