// The chain of steps and its reader.
#include "tokenizer/pre_tokenizer.h"

#include <algorithm>

#include "core/base/error.h"
#include "tokenizer/matcher.h"
#include "tokenizer/split_steps.h"
#include "tokenizer/unicode.h"

namespace rmkv {
namespace {

using Steps = std::vector<PreTokenizerStepPtr>;

// Runs the steps from `index` on over each word it is given.
class StepSink : public WordSink {
 public:
  StepSink(const Steps& steps, size_t index, std::string_view text, bool at_start, WordSink& last)
      : steps_(steps), index_(index), text_(text), at_start_(at_start), last_(last) {}

  void take(std::span<const std::string_view> words, const char*) override {
    for (const std::string_view word : words) {
      // What a step has rewritten begins at the start whatever its address.
      const bool rewritten =
          word.data() < text_.data() || word.data() > text_.data() + text_.size();
      const bool at_start = at_start_ && is_first_ && (rewritten || word.data() == text_.data());
      is_first_ = false;
      if (index_ + 1 == steps_.size()) {
        steps_[index_]->run(word, at_start, last_);
      } else {
        StepSink next(steps_, index_ + 1, word, at_start, last_);
        steps_[index_]->run(word, at_start, next);
      }
    }
  }

 private:
  const Steps& steps_;
  const size_t index_;
  const std::string_view text_;
  const bool at_start_;
  bool is_first_ = true;
  WordSink& last_;
};

// Whether a Split step cuts by one of the known patterns and keeps every piece.
bool is_known_split(const JsonNode& node) {
  const auto regex = node.get("pattern").find("Regex");
  const SplitBehavior behavior = read_split_behavior(node.get("behavior"));
  // These patterns match every character.
  const bool all_kept = behavior == SplitBehavior::kIsolated ||
                        (behavior == SplitBehavior::kRemoved && node.flag("invert", false));
  return regex && all_kept && is_known_split_regex(regex->as_string());
}

PreTokenizerStepPtr read_split(const JsonNode& node) {
  const SplitBehavior behavior = read_split_behavior(node.get("behavior"));
  const JsonNode pattern = node.get("pattern");
  const bool invert = node.flag("invert", false);
  if (is_known_split(node)) {
    const JsonNode regex = pattern.get("Regex");
    return make_split_step(make_splitter_of_regex(regex.as_string(), regex.where));
  }
  return make_match_step(read_pattern(pattern), behavior, invert);
}

PreTokenizerStepPtr read_metaspace(const JsonNode& node) {
  const std::string mark(node.get("replacement").as_string());
  const Utf8Char c =
      mark.empty() ? Utf8Char{0, 0} : decode_utf8(mark.data(), mark.data() + mark.size());
  if (mark.empty() || c.size_bytes != mark.size()) {
    fail(node.where + ".replacement", "'" + mark + "'", "one character");
  }
  std::string_view scheme = "always";
  if (const auto given = node.find("prepend_scheme")) scheme = given->as_string();
  if (const auto old = node.find("add_prefix_space"); old && !old->is_null() && !old->as_bool()) {
    if (node.find("prepend_scheme") && scheme != "never") {
      fail(node.where, "add_prefix_space false and prepend_scheme '" + std::string(scheme) + "'",
           "one that agrees with the other");
    }
    scheme = "never";
  }
  if (scheme != "always" && scheme != "first" && scheme != "never") {
    fail(node.where + ".prepend_scheme", "'" + std::string(scheme) + "'", "always, first or never");
  }
  return make_metaspace_step(mark,
                             scheme == "always"  ? PrependScheme::kAlways
                             : scheme == "first" ? PrependScheme::kFirst
                                                 : PrependScheme::kNever,
                             node.flag("split", true));
}

}  // namespace

PreTokenizer::PreTokenizer(const JsonNode& node) {
  if (!node.is_null()) read(node);
}

void PreTokenizer::add(PreTokenizerStepPtr step) {
  if (step != nullptr) steps_.push_back(std::move(step));
}

void PreTokenizer::run(std::string_view text, bool at_start, WordSink& sink) const {
  if (text.empty()) return;
  if (steps_.empty()) {
    sink.take({&text, 1}, text.data() + text.size());
  } else if (steps_.size() == 1) {
    steps_[0]->run(text, at_start, sink);
  } else {
    StepSink(steps_, 0, text, at_start, sink).take({&text, 1}, text.data() + text.size());
  }
}

void PreTokenizer::read_byte_level(const JsonNode& node) {
  if (node.flag("add_prefix_space", true)) {
    add(make_prefix_space_step());
    only_cuts_ = false;
  }
  if (node.flag("use_regex", true)) {
    cuts_at_words_ = cuts_at_words_ || steps_.empty();
    add(make_split_step(make_splitter(SplitPattern::kGpt2)));
  }
  byte_level_ = true;
}

void PreTokenizer::read(const JsonNode& node) {
  if (node.is_null()) node.fail_type("a pre-tokenizer");
  const std::string_view type = node.get("type").as_string();
  if (type == "Sequence") {
    for (const JsonNode& step : node.get("pretokenizers").elements()) read(step);
    return;
  }
  if (type != "ByteLevel" && type != "Digits") only_cuts_ = false;
  // Steps behind the byte-level one see its spelling.
  if (byte_level_) add(make_spelling_step());
  byte_level_ = false;
  using enum SplitBehavior;
  if (type == "ByteLevel") return read_byte_level(node);
  if (type == "Split") {
    cuts_at_words_ = cuts_at_words_ || (steps_.empty() && is_known_split(node));
    return add(read_split(node));
  }
  if (type == "Metaspace") return add(read_metaspace(node));
  if (type == "Digits") {
    const bool single = node.flag("individual_digits", false);
    return add(
        make_match_step(make_class_matcher(kDigitStep), single ? kIsolated : kContiguous, false));
  }
  if (type == "Punctuation") {
    const auto behavior = node.find("behavior");
    return add(make_match_step(make_class_matcher(kPunctuationStep),
                               behavior ? read_split_behavior(*behavior) : kIsolated, false));
  }
  if (type == "WhitespaceSplit") {
    return add(make_match_step(make_class_matcher(kSpaceClass), kRemoved, false));
  }
  if (type == "Whitespace") {
    return add(make_match_step(make_word_matcher(), kRemoved, true));
  }
  if (type == "BertPreTokenizer") {
    add(make_match_step(make_class_matcher(kSpaceClass), kRemoved, false));
    return add(make_match_step(make_class_matcher(kPunctuationStep), kIsolated, false));
  }
  if (type == "CharDelimiterSplit") {
    return add(make_match_step(make_literal_matcher(std::string(node.get("delimiter").as_string())),
                               kRemoved, false));
  }
  if (type == "FixedLength") {
    const auto length = node.find("length");
    return add(make_fixed_length_step(length ? length->as_integer(1, 1 << 30) : 5));
  }
  fail(node.where, "a pre-tokenizer of type '" + std::string(type) + "'",
       "ByteLevel, Split, Metaspace, Digits, Punctuation, Whitespace, WhitespaceSplit, "
       "BertPreTokenizer, CharDelimiterSplit, FixedLength or Sequence");
}

size_t find_word_cut(std::string_view text, size_t from) {
  const auto is_letter = [](char c) { return (c | 0x20) >= 'a' && (c | 0x20) <= 'z'; };
  for (size_t at = text.find(' ', std::max<size_t>(from, 1));
       at != std::string_view::npos && at + 1 < text.size(); at = text.find(' ', at + 1)) {
    if (is_letter(text[at - 1]) && is_letter(text[at + 1])) return at;
  }
  return text.size();
}

}  // namespace rmkv
