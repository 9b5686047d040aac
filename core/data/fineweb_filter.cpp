// One pass over lines, one over words.
#include "core/data/fineweb_filter.h"

#include <algorithm>
#include <array>

namespace rmkv {

namespace {

enum Rule { kEmpty, kLineEnds, kShortLines, kRepeatedLines, kLineBreaks };

// Marks that end a sentence or close one, of several scripts.
constexpr std::array<std::string_view, 20> kMarks = {".",  "!",  "?", "'", "\"", "…",  "。",
                                                     "！", "？", "’", "”", "»",  "；", "：",
                                                     "।",  "॥",  "؟", "۔", "」", "』"};

bool ends_in_punctuation(std::string_view line) {
  return std::any_of(kMarks.begin(), kMarks.end(), [&](std::string_view mark) {
    return line.size() >= mark.size() && line.substr(line.size() - mark.size()) == mark;
  });
}

}  // namespace

FinewebFilter::FinewebFilter(OptionReader& reader) {
  reader.read("min_line_ends", options_.min_line_ends, 0.0, 1.0);
  reader.read("max_short_lines", options_.max_short_lines, 0.0, 1.0);
  reader.read("short_line", options_.short_line, 0);
  reader.read("max_repeated_characters", options_.max_repeated_characters, 0.0, 1.0);
  reader.read("max_line_breaks", options_.max_line_breaks, 0.0);
}

std::vector<std::string> FinewebFilter::rules() const {
  return {"fineweb.empty", "fineweb.line_ends", "fineweb.short_lines", "fineweb.repeated_lines",
          "fineweb.line_breaks"};
}

int FinewebFilter::judge(uint64_t, Document&, TextScan& scan, bool&) const {
  static thread_local SeenHashes seen;
  uint64_t lines = 0, good_ends = 0, short_lines = 0, repeated = 0;
  seen.begin(scan.lines().size());
  for (std::string_view line : scan.lines()) {
    // Blanks at the end are nobody's choice; those at the beginning belong to the line.
    size_t last = line.find_last_not_of(" \t\v\f\r");
    if (last == std::string_view::npos) continue;
    line = line.substr(0, last + 1);
    ++lines;
    good_ends += ends_in_punctuation(line);
    const uint64_t characters = count_characters(line);
    short_lines += characters <= static_cast<uint64_t>(options_.short_line);
    if (seen.add(std::hash<std::string_view>()(line)) > 0) repeated += characters;
  }
  if (lines == 0) return kEmpty;
  const auto all = static_cast<double>(lines);
  if (static_cast<double>(good_ends) / all < options_.min_line_ends) return kLineEnds;
  if (static_cast<double>(short_lines) / all > options_.max_short_lines) return kShortLines;
  std::string_view text = scan.text();
  const auto breaks = static_cast<uint64_t>(std::count(text.begin(), text.end(), '\n'));
  const auto characters = static_cast<double>(scan.characters() - breaks);
  if (static_cast<double>(repeated) / characters > options_.max_repeated_characters)
    return kRepeatedLines;
  if (static_cast<double>(breaks) >
      options_.max_line_breaks * static_cast<double>(scan.words().size()))
    return kLineBreaks;
  return kKept;
}

Table FinewebFilter::to_table() const {
  return {{"name", "fineweb"},
          {"min_line_ends", options_.min_line_ends},
          {"max_short_lines", options_.max_short_lines},
          {"short_line", options_.short_line},
          {"max_repeated_characters", options_.max_repeated_characters},
          {"max_line_breaks", options_.max_line_breaks}};
}

}  // namespace rmkv
