// Strings, maps and regular expressions.
#include "tests/data/naive_filters.h"

#include <algorithm>
#include <map>
#include <regex>
#include <set>
#include <sstream>

namespace rmkv::test {

namespace {

using Strings = std::vector<std::string>;

// Good for the characters that the tests use: ASCII, U+2026, U+2022, é, 中 and U+00A0.
bool is_letter(const std::string& c) {
  return c == "é" || c == "中" || (c.size() == 1 && std::isalpha(static_cast<unsigned char>(c[0])));
}
bool is_blank(const std::string& c) {
  return c == "\xC2\xA0" || (c.size() == 1 && std::isspace(static_cast<unsigned char>(c[0])));
}
bool is_solid(const std::string& c) {
  return is_letter(c) || (c.size() == 1 && std::isdigit(static_cast<unsigned char>(c[0])));
}

Strings words_of(const std::string& text) {
  Strings words;
  std::string word;
  for (const std::string& c : naive_characters(text)) {
    if (!is_blank(c)) {
      word += c;
      continue;
    }
    if (!word.empty()) words.push_back(word);
    word.clear();
  }
  if (!word.empty()) words.push_back(word);
  return words;
}

std::string core_of(const std::string& word) {
  Strings characters = naive_characters(word);
  while (!characters.empty() && !is_solid(characters.back())) characters.pop_back();
  while (!characters.empty() && !is_solid(characters.front())) characters.erase(characters.begin());
  std::string core;
  for (const std::string& c : characters) core += c;
  return core;
}

double length(const std::string& text) {
  return static_cast<double>(naive_characters(text).size());
}

Strings lines_of(const std::string& text) {
  Strings lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) {
    if (!line.empty() && line.back() == '\r') line.pop_back();
    lines.push_back(line);
  }
  return lines;
}

std::string stripped(std::string text) {
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.back()))) text.pop_back();
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.front()))) text.erase(0, 1);
  return text;
}

bool starts(const std::string& text, const std::string& part) {
  return text.compare(0, part.size(), part) == 0;
}
bool ends(const std::string& text, const std::string& part) {
  return text.size() >= part.size() && text.substr(text.size() - part.size()) == part;
}

double count(const std::string& text, const std::string& part) {
  double number = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + part.size()))
    ++number;
  return number;
}

std::string lower(std::string text) {
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

Strings split(const std::string& text, const std::string& expression) {
  std::regex border(expression);
  Strings parts;
  std::sregex_token_iterator at(text.begin(), text.end(), border, -1), end;
  for (; at != end; ++at) {
    if (at->length() > 0) parts.push_back(*at);
  }
  return parts;
}

// How many come again, and their characters.
std::pair<double, double> repeats(const Strings& parts) {
  std::set<std::string> seen;
  double number = 0, characters = 0;
  for (const std::string& part : parts) {
    if (seen.insert(part).second) continue;
    ++number;
    characters += length(part);
  }
  return {number, characters};
}

std::string joined(const Strings& words, size_t begin, size_t count, const std::string& between) {
  std::string text;
  for (size_t i = begin; i < begin + count; ++i) text += (i > begin ? between : "") + words[i];
  return text;
}

}  // namespace

Strings naive_characters(const std::string& text) {
  Strings characters;
  for (char c : text) {
    if ((static_cast<unsigned char>(c) & 0xC0) == 0x80 && !characters.empty())
      characters.back() += c;
    else
      characters.push_back(std::string(1, c));
  }
  return characters;
}

std::string naive_gopher_quality(const std::string& text) {
  Strings words = words_of(text);
  double solid = 0, characters = 0, letters = 0;
  std::set<std::string> stop;
  for (const std::string& word : words) {
    std::string core = core_of(word);
    solid += !core.empty();
    characters += length(core);
    Strings all = naive_characters(word);
    letters += std::any_of(all.begin(), all.end(), is_letter);
    for (const char* known : {"the", "be", "to", "of", "and", "that", "have", "with"}) {
      if (lower(core) == known) stop.insert(known);
    }
  }
  if (solid < 50) return "few_words";
  if (solid > 100000) return "many_words";
  if (characters / solid < 3) return "short_words";
  if (characters / solid > 10) return "long_words";
  double number = static_cast<double>(words.size());
  if (count(text, "#") / number > 0.1) return "hashes";
  if ((count(text, "...") + count(text, "…")) / number > 0.1) return "ellipses";
  double bullets = 0, dots = 0;
  Strings lines = lines_of(text);
  for (const std::string& line : lines) {
    std::string inside = stripped(line);
    bullets += starts(inside, "•") || starts(inside, "-");
    dots += ends(inside, "...") || ends(inside, "…");
  }
  if (bullets / static_cast<double>(lines.size()) > 0.9) return "bullet_lines";
  if (dots / static_cast<double>(lines.size()) > 0.3) return "ellipsis_lines";
  if (letters / number < 0.8) return "letter_words";
  if (stop.size() < 2) return "stop_words";
  return "";
}

std::string naive_gopher_repetition(const std::string& text) {
  double all = length(text);
  if (all == 0) return "";
  Strings paragraphs = split(stripped(text), "\n{2,}"), lines = split(text, "\n+");
  auto [paragraph_number, paragraph_characters] = repeats(paragraphs);
  if (!paragraphs.empty() && paragraph_number / static_cast<double>(paragraphs.size()) > 0.3)
    return "paragraphs";
  if (paragraph_characters / all > 0.2) return "paragraph_characters";
  auto [line_number, line_characters] = repeats(lines);
  if (!lines.empty() && line_number / static_cast<double>(lines.size()) > 0.3) return "lines";
  if (line_characters / all > 0.2) return "line_characters";
  Strings words = words_of(text);
  const double top[] = {0.2, 0.18, 0.16}, again[] = {0.15, 0.14, 0.13, 0.12, 0.11, 0.10};
  for (size_t n = 2; n <= 4 && n <= words.size(); ++n) {
    std::map<std::string, int> counts;
    Strings order;
    for (size_t i = 0; i + n <= words.size(); ++i) {
      order.push_back(joined(words, i, n, " "));
      ++counts[order.back()];
    }
    std::string best = order[0];
    for (const std::string& group : order) {
      if (counts[group] > counts[best]) best = group;
    }
    if (length(best) * counts[best] / all > top[n - 2])
      return "top_" + std::to_string(n) + "_words";
  }
  for (size_t n = 5; n <= 10; ++n) {
    std::set<std::string> seen;
    double repeated = 0;
    for (size_t i = 0; i + n <= words.size();) {
      // With a mark between words, so that "a bc" is not "ab c".
      if (seen.insert(joined(words, i, n, "\n")).second) {
        ++i;
      } else {
        repeated += length(joined(words, i, n, ""));
        i += n;
      }
    }
    if (repeated / all > again[n - 5]) return "repeated_" + std::to_string(n) + "_words";
  }
  return "";
}

std::string naive_fineweb(const std::string& text) {
  Strings lines;
  for (std::string line : split(text, "\n")) {
    while (!line.empty() && std::isspace(static_cast<unsigned char>(line.back()))) line.pop_back();
    if (!line.empty()) lines.push_back(line);
  }
  if (lines.empty()) return "empty";
  double number = static_cast<double>(lines.size()), ended = 0, brief = 0;
  for (const std::string& line : lines) {
    for (const char* mark : {".", "!", "?", "'", "\"", "…"}) ended += ends(line, mark);
    brief += length(line) <= 30;
  }
  if (ended / number < 0.12) return "line_ends";
  if (brief / number > 0.67) return "short_lines";
  double breaks = count(text, "\n");
  if (repeats(lines).second / (length(text) - breaks) > 0.01) return "repeated_lines";
  if (breaks / static_cast<double>(words_of(text).size()) > 0.3) return "line_breaks";
  return "";
}

std::string naive_c4(const std::string& text, std::string& left) {
  left.clear();
  int sentences = 0;
  for (std::string line : lines_of(text)) {
    line = stripped(line);
    Strings words = split(line, "[ \t\v\f\r]+");
    if (std::any_of(words.begin(), words.end(),
                    [](const std::string& word) { return length(word) > 1000; }))
      continue;
    line = std::regex_replace(line, std::regex(R"(\[\d*\]|\[edit\]|\[citation needed\])"), "");
    if (line.empty() || std::string(".?!\"'").find(line.back()) == std::string::npos ||
        ends(line, "..."))
      continue;
    if (words.size() < 3) continue;
    std::string small = lower(line);
    if (small.find("lorem ipsum") != std::string::npos) return "lorem_ipsum";
    if (small.find("javascript") != std::string::npos) continue;
    if (line.find('{') != std::string::npos) return "curly_bracket";
    bool policy = false;
    for (const char* phrase : {"terms of use", "privacy policy", "cookie policy", "uses cookies",
                               "use of cookies", "use cookies"})
      policy = policy || small.find(phrase) != std::string::npos;
    if (policy) continue;
    std::regex end(R"([.?!][.?!"')\]]*(?=[ \t\v\f\r]|$))");
    auto found =
        std::distance(std::sregex_iterator(line.begin(), line.end(), end), std::sregex_iterator());
    sentences += std::max<int>(1, static_cast<int>(found));
    left += (left.empty() ? "" : "\n") + line;
  }
  left = stripped(left);
  return sentences < 5 ? "few_sentences" : "";
}

}  // namespace rmkv::test
