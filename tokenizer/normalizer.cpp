// The kinds of normalizers and their reader.
#include "tokenizer/normalizer.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "core/base/error.h"
#include "tokenizer/byte_level.h"
#include "tokenizer/charsmap.h"
#include "tokenizer/matcher.h"
#include "tokenizer/normal_form.h"
#include "tokenizer/unicode.h"

namespace rmkv {
namespace {

class FormNormalizer : public Normalizer {
 public:
  explicit FormNormalizer(NormalForm form) : form_(form) {}
  void apply(std::string& text) const override { normalize(form_, text); }
  // A blank composes with nothing, and a letter with marks behind it stays one.
  bool keeps_word_cuts() const override { return true; }

 private:
  const NormalForm form_;
};

class LowercaseNormalizer : public Normalizer {
 public:
  void apply(std::string& text) const override {
    std::string out;
    out.reserve(text.size());
    const char* const end = text.data() + text.size();
    for (const char* p = text.data(); p < end;) {
      const Utf8Char c = decode_utf8(p, end);
      if (c.code_point == kInvalidCodePoint) {
        out += *p;
      } else {
        append_lower(c.code_point, out);
      }
      p += c.size_bytes;
    }
    text.swap(out);
  }
  bool keeps_word_cuts() const override { return true; }
};

// Deletes the characters of a class.
class FilterNormalizer : public Normalizer {
 public:
  explicit FilterNormalizer(uint16_t classes) : classes_(classes) {}
  void apply(std::string& text) const override {
    const UnicodeClasses& table = UnicodeClasses::instance();
    const char* const end = text.data() + text.size();
    size_t kept = 0;
    for (const char* p = text.data(); p < end;) {
      const Utf8Char c = decode_utf8(p, end);
      const char* const next = p + c.size_bytes;
      if ((table.of(c.code_point) & classes_) != 0) {
        p = next;
        continue;
      }
      while (p < next) text[kept++] = *p++;
    }
    text.resize(kept);
  }

 private:
  const uint16_t classes_;
};

class StripNormalizer : public Normalizer {
 public:
  StripNormalizer(bool left, bool right) : left_(left), right_(right) {}
  void apply(std::string& text) const override {
    const UnicodeClasses& table = UnicodeClasses::instance();
    const char* const end = text.data() + text.size();
    // [first, last) of what is no white space at the ends.
    const char* first = nullptr;
    const char* last = text.data();
    for (const char* p = text.data(); p < end;) {
      const Utf8Char c = decode_utf8(p, end);
      if ((table.of(c.code_point) & kSpaceClass) == 0) {
        if (first == nullptr) first = p;
        last = p + c.size_bytes;
      }
      p += c.size_bytes;
    }
    if (first == nullptr) first = end;
    const char* const from = left_ ? first : text.data();
    const char* const to = right_ ? last : end;
    text = from < to ? std::string(from, to) : std::string();
  }

 private:
  const bool left_, right_;
};

class PrependNormalizer : public Normalizer {
 public:
  explicit PrependNormalizer(std::string_view prefix) : prefix_(prefix) {}
  void apply(std::string& text) const override {
    if (!text.empty()) text.insert(0, prefix_);
  }

 private:
  const std::string prefix_;
};

class ReplaceNormalizer : public Normalizer {
 public:
  ReplaceNormalizer(MatcherPtr matcher, std::string_view content)
      : matcher_(std::move(matcher)), content_(content) {}
  void apply(std::string& text) const override {
    std::string out;
    size_t done = 0, first = 0, last = 0;
    for (size_t from = 0; from <= text.size() && matcher_->find(text, from, first, last);) {
      if (out.empty()) out.reserve(text.size() + text.size() / 2);
      out.append(text, done, first - done);
      out += content_;
      done = last;
      from = last > first ? last : last + 1;
    }
    if (done == 0 && out.empty()) return;
    out.append(text, done, std::string::npos);
    text.swap(out);
  }

 private:
  const MatcherPtr matcher_;
  const std::string content_;
};

// One byte, a blank, by a few: the case of every SentencePiece-like vocabulary.
class ReplaceByteNormalizer : public Normalizer {
 public:
  static constexpr size_t kMaxContent = 8;

  // `content` has at most kMaxContent bytes.
  ReplaceByteNormalizer(char byte, std::string_view content)
      : byte_(byte), content_size_(content.size()) {
    content.copy(content_, kMaxContent);
  }
  void apply(std::string& text) const override {
    const auto count = static_cast<size_t>(std::count(text.begin(), text.end(), byte_));
    if (count == 0) return;
    const size_t size = text.size() + count * content_size_ - count;
    std::string out;
    out.resize(size + kMaxContent);
    char* to = out.data();
    // Every step writes kMaxContent bytes, and the next overwrites what was too much: nobody could
    // predict a branch on whether a byte is the one.
    char kept[kMaxContent] = {};
    for (const char c : text) {
      kept[0] = c;
      const bool replaced = c == byte_;
      std::memcpy(to, replaced ? content_ : kept, kMaxContent);
      to += replaced ? content_size_ : 1;
    }
    out.resize(size);
    text.swap(out);
  }

 private:
  const char byte_;
  const size_t content_size_;
  char content_[kMaxContent] = {};
};

// The cleaning of SentencePiece's rules "nmt" (google/sentencepiece, builder.cc): control
// characters go, what looks blank becomes a blank.
class NmtNormalizer : public Normalizer {
 public:
  void apply(std::string& text) const override {
    std::string out;
    out.reserve(text.size());
    const char* const end = text.data() + text.size();
    for (const char* p = text.data(); p < end;) {
      const Utf8Char c = decode_utf8(p, end);
      if (is_blank(c.code_point)) {
        out += ' ';
      } else if (!is_control(c.code_point)) {
        out.append(p, c.size_bytes);
      }
      p += c.size_bytes;
    }
    text.swap(out);
  }

 private:
  static bool is_control(uint32_t c) {
    return (c >= 1 && c <= 8) || c == 0x0B || (c >= 0x0E && c <= 0x1F) || c == 0x7F || c == 0x8F ||
           c == 0x9F;
  }
  static bool is_blank(uint32_t c) {
    return c == '\t' || c == '\n' || c == 0x0C || c == '\r' || c == 0x1680 ||
           (c >= 0x200B && c <= 0x200F) || c == 0x2028 || c == 0x2029 || c == 0x2581 ||
           c == 0xFEFF || c == 0xFFFD;
  }
};

class SpellingNormalizer : public Normalizer {
 public:
  void apply(std::string& text) const override { text = spell_bytes(text); }
};

class SequenceNormalizer : public Normalizer {
 public:
  explicit SequenceNormalizer(std::vector<NormalizerPtr> steps) : steps_(std::move(steps)) {}
  void apply(std::string& text) const override {
    for (const NormalizerPtr& step : steps_) step->apply(text);
  }
  bool keeps_word_cuts() const override {
    return std::all_of(steps_.begin(), steps_.end(),
                       [](const NormalizerPtr& step) { return step->keeps_word_cuts(); });
  }

 private:
  const std::vector<NormalizerPtr> steps_;
};

// The cleaning of BERT (google-research/bert, tokenization.py).
class BertCleaner : public Normalizer {
 public:
  BertCleaner(bool clean, bool spread_chinese) : clean_(clean), spread_chinese_(spread_chinese) {}
  void apply(std::string& text) const override {
    const UnicodeClasses& table = UnicodeClasses::instance();
    std::string out;
    out.reserve(text.size());
    const char* const end = text.data() + text.size();
    for (const char* p = text.data(); p < end;) {
      const Utf8Char c = decode_utf8(p, end);
      const uint16_t classes = table.of(c.code_point);
      const bool breaks = *p == '\t' || *p == '\n' || *p == '\r';
      if (clean_ && !breaks && ((classes & kBertControlStep) != 0 || c.code_point == 0xFFFD)) {
        // left out
      } else if (clean_ && (breaks || (classes & kSpaceClass) != 0)) {
        out += ' ';
      } else if (spread_chinese_ && is_chinese(c.code_point)) {
        out += ' ';
        out.append(p, c.size_bytes);
        out += ' ';
      } else {
        out.append(p, c.size_bytes);
      }
      p += c.size_bytes;
    }
    text.swap(out);
  }

 private:
  static bool is_chinese(uint32_t c) {
    return (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0x3400 && c <= 0x4DBF) ||
           (c >= 0x20000 && c <= 0x2A6DF) || (c >= 0x2A700 && c <= 0x2B73F) ||
           (c >= 0x2B740 && c <= 0x2B81F) || (c >= 0x2B920 && c <= 0x2CEAF) ||
           (c >= 0xF900 && c <= 0xFAFF) || (c >= 0x2F800 && c <= 0x2FA1F);
  }

  const bool clean_, spread_chinese_;
};

NormalizerPtr read_bert(const JsonNode& node) {
  std::vector<NormalizerPtr> steps;
  const bool lowercase = node.flag("lowercase", true);
  steps.push_back(std::make_unique<BertCleaner>(node.flag("clean_text", true),
                                                node.flag("handle_chinese_chars", true)));
  if (node.flag("strip_accents", lowercase)) {
    steps.push_back(std::make_unique<FormNormalizer>(NormalForm::kNfd));
    steps.push_back(std::make_unique<FilterNormalizer>(kBertAccentStep));
  }
  if (lowercase) steps.push_back(std::make_unique<LowercaseNormalizer>());
  return std::make_unique<SequenceNormalizer>(std::move(steps));
}

NormalizerPtr read_replace(const JsonNode& node) {
  const JsonNode pattern = node.get("pattern");
  const std::string_view content = node.get("content").as_string();
  const auto text = pattern.find("String");
  if (text && text->as_string().size() == 1 &&
      content.size() <= ReplaceByteNormalizer::kMaxContent) {
    return std::make_unique<ReplaceByteNormalizer>(text->as_string()[0], content);
  }
  return std::make_unique<ReplaceNormalizer>(read_pattern(pattern), content);
}

}  // namespace

NormalizerPtr read_normalizer(const JsonNode& node) {
  if (node.is_null()) return nullptr;
  const std::string_view type = node.get("type").as_string();
  if (type == "NFC") return std::make_unique<FormNormalizer>(NormalForm::kNfc);
  if (type == "NFD") return std::make_unique<FormNormalizer>(NormalForm::kNfd);
  if (type == "NFKC") return std::make_unique<FormNormalizer>(NormalForm::kNfkc);
  if (type == "NFKD") return std::make_unique<FormNormalizer>(NormalForm::kNfkd);
  if (type == "Lowercase") return std::make_unique<LowercaseNormalizer>();
  if (type == "StripAccents") return std::make_unique<FilterNormalizer>(kAccentStep);
  if (type == "ByteLevel") return std::make_unique<SpellingNormalizer>();
  if (type == "BertNormalizer") return read_bert(node);
  if (type == "Replace") return read_replace(node);
  if (type == "Nmt") return std::make_unique<NmtNormalizer>();
  if (type == "Precompiled") return make_charsmap_normalizer(node);
  if (type == "Prepend") {
    return std::make_unique<PrependNormalizer>(node.get("prepend").as_string());
  }
  if (type == "Strip") {
    return std::make_unique<StripNormalizer>(node.get("strip_left").as_bool(),
                                             node.get("strip_right").as_bool());
  }
  if (type == "Sequence") {
    std::vector<NormalizerPtr> steps;
    for (const JsonNode& step : node.get("normalizers").elements()) {
      if (step.is_null()) step.fail_type("a normalizer");
      steps.push_back(read_normalizer(step));
    }
    return std::make_unique<SequenceNormalizer>(std::move(steps));
  }
  fail(node.where, "a normalizer of type '" + std::string(type) + "'",
       "NFC, NFD, NFKC, NFKD, Nmt, Precompiled, Lowercase, Strip, StripAccents, Replace, Prepend, "
       "ByteLevel, BertNormalizer or Sequence");
}

}  // namespace rmkv
