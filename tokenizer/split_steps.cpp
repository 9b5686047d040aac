// Steps that cut by matches and steps that rewrite.
#include "tokenizer/split_steps.h"

#include <algorithm>
#include <array>

#include "core/base/error.h"
#include "tokenizer/byte_level.h"
#include "tokenizer/unicode.h"

namespace rmkv {
namespace {

struct Part {
  size_t first, last;
  bool is_match;
};

class MatchStep : public PreTokenizerStep {
 public:
  MatchStep(MatcherPtr matcher, SplitBehavior behavior, bool invert)
      : matcher_(std::move(matcher)), behavior_(behavior), invert_(invert) {}

  void run(std::string_view text, bool, WordSink& sink) const override {
    std::vector<Part> parts = find_parts(text);
    join(parts);
    std::vector<std::string_view> words;
    words.reserve(parts.size());
    for (const Part& part : parts) {
      if (behavior_ == SplitBehavior::kRemoved && part.is_match) continue;
      if (part.last > part.first) words.push_back(text.substr(part.first, part.last - part.first));
    }
    sink.take(words, text.data() + text.size());
  }

 private:
  std::vector<Part> find_parts(std::string_view text) const {
    std::vector<Part> parts;
    size_t done = 0, first = 0, last = 0;
    for (size_t from = 0; from <= text.size() && matcher_->find(text, from, first, last);) {
      if (first > done) parts.push_back({done, first, invert_});
      parts.push_back({first, last, !invert_});
      done = last;
      from = last;
      if (first == last) {
        if (last == text.size()) break;
        from += decode_utf8(&text[last], text.data() + text.size()).size_bytes;
      }
    }
    if (done < text.size()) parts.push_back({done, text.size(), invert_});
    return parts;
  }

  void join(std::vector<Part>& parts) const {
    if (behavior_ == SplitBehavior::kRemoved || behavior_ == SplitBehavior::kIsolated) return;
    const bool backwards = behavior_ == SplitBehavior::kMergedWithNext;
    if (backwards) std::reverse(parts.begin(), parts.end());
    std::vector<Part> joined;
    bool previous_match = false;
    for (const Part& part : parts) {
      const bool joins = behavior_ == SplitBehavior::kContiguous ? part.is_match == previous_match
                                                                 : part.is_match && !previous_match;
      previous_match = part.is_match;
      if (!joins || joined.empty()) {
        joined.push_back(part);
      } else if (backwards) {
        joined.back().first = part.first;
      } else {
        joined.back().last = part.last;
      }
    }
    if (backwards) std::reverse(joined.begin(), joined.end());
    parts.swap(joined);
  }

  const MatcherPtr matcher_;
  const SplitBehavior behavior_;
  const bool invert_;
};

class SplitterStep : public PreTokenizerStep {
 public:
  SplitterStep(const Splitter* splitter, SplitterPtr owned)
      : splitter_(splitter), owned_(std::move(owned)) {}
  void run(std::string_view text, bool, WordSink& sink) const override {
    std::array<std::string_view, 256> words;
    for (size_t begin = 0; begin < text.size();) {
      const size_t count = splitter_->split(text, begin, words);
      if (count == 0) break;
      begin = static_cast<size_t>(words[count - 1].data() + words[count - 1].size() - text.data());
      sink.take({words.data(), count}, text.data() + text.size());
    }
  }

 private:
  const Splitter* const splitter_;
  const SplitterPtr owned_;
};

void give_one(std::string_view word, WordSink& sink) {
  sink.take({&word, 1}, word.data() + word.size());
}

class PrefixSpaceStep : public PreTokenizerStep {
 public:
  void run(std::string_view text, bool, WordSink& sink) const override {
    if (text.front() == ' ') return give_one(text, sink);
    std::string spaced;
    spaced.reserve(text.size() + 1);
    spaced = ' ';
    spaced += text;
    give_one(spaced, sink);
  }
};

class SpellingStep : public PreTokenizerStep {
 public:
  void run(std::string_view text, bool, WordSink& sink) const override {
    give_one(spell_bytes(text), sink);
  }
};

class FixedLengthStep : public PreTokenizerStep {
 public:
  explicit FixedLengthStep(int64_t length) : length_(length) {}
  void run(std::string_view text, bool, WordSink& sink) const override {
    std::vector<std::string_view> words;
    const char* const end = text.data() + text.size();
    for (const char* p = text.data(); p < end;) {
      const char* const first = p;
      for (int64_t i = 0; i < length_ && p < end; ++i) p += decode_utf8(p, end).size_bytes;
      words.push_back({first, static_cast<size_t>(p - first)});
    }
    sink.take(words, end);
  }

 private:
  const int64_t length_;
};

class MetaspaceStep : public PreTokenizerStep {
 public:
  MetaspaceStep(std::string mark, PrependScheme scheme, bool split)
      : mark_(std::move(mark)), scheme_(scheme), split_(split) {}

  void run(std::string_view text, bool at_start, WordSink& sink) const override {
    std::string marked;
    marked.reserve(text.size() + text.size() / 2 + 8);
    const bool prepends =
        scheme_ == PrependScheme::kAlways || (scheme_ == PrependScheme::kFirst && at_start);
    if (prepends && text.front() != ' ' && !text.starts_with(mark_)) marked += mark_;
    for (const char c : text) {
      if (c == ' ') {
        marked += mark_;
      } else {
        marked += c;
      }
    }
    if (!split_) return give_one(marked, sink);
    std::vector<std::string_view> words;
    const std::string_view all = marked;
    for (size_t begin = 0; begin < all.size();) {
      const size_t next = std::min(all.find(mark_, begin + mark_.size()), all.size());
      // A word that does not begin with the mark ends at the first one.
      const size_t stop = all.substr(begin).starts_with(mark_)
                              ? next
                              : std::min(all.find(mark_, begin), all.size());
      words.push_back(all.substr(begin, stop - begin));
      begin = stop;
    }
    sink.take(words, all.data() + all.size());
  }

 private:
  const std::string mark_;
  const PrependScheme scheme_;
  const bool split_;
};

}  // namespace

SplitBehavior read_split_behavior(const JsonNode& node) {
  const std::string_view name = node.as_string();
  if (name == "Removed") return SplitBehavior::kRemoved;
  if (name == "Isolated") return SplitBehavior::kIsolated;
  if (name == "MergedWithPrevious") return SplitBehavior::kMergedWithPrevious;
  if (name == "MergedWithNext") return SplitBehavior::kMergedWithNext;
  if (name == "Contiguous") return SplitBehavior::kContiguous;
  fail(node.where, "behavior '" + std::string(name) + "'",
       "Removed, Isolated, MergedWithPrevious, MergedWithNext or Contiguous");
}

PreTokenizerStepPtr make_match_step(MatcherPtr matcher, SplitBehavior behavior, bool invert) {
  if (behavior == SplitBehavior::kIsolated)
    return make_split_step(make_matcher_splitter(std::move(matcher)));
  return std::make_unique<MatchStep>(std::move(matcher), behavior, invert);
}

PreTokenizerStepPtr make_split_step(SplitterPtr splitter) {
  const Splitter* const kept = splitter.get();
  return std::make_unique<SplitterStep>(kept, std::move(splitter));
}

PreTokenizerStepPtr make_split_step(const Splitter* splitter) {
  return std::make_unique<SplitterStep>(splitter, nullptr);
}

PreTokenizerStepPtr make_prefix_space_step() {
  return std::make_unique<PrefixSpaceStep>();
}
PreTokenizerStepPtr make_spelling_step() {
  return std::make_unique<SpellingStep>();
}
PreTokenizerStepPtr make_fixed_length_step(int64_t length) {
  return std::make_unique<FixedLengthStep>(length);
}
PreTokenizerStepPtr make_metaspace_step(std::string mark, PrependScheme scheme, bool split) {
  return std::make_unique<MetaspaceStep>(std::move(mark), scheme, split);
}

}  // namespace rmkv
