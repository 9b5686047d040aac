// Templates, truncation and padding, and their readers.
#include "tokenizer/post_processor.h"

#include <algorithm>

#include "core/base/error.h"

namespace rmkv {
namespace {

constexpr int64_t kMaxLength = int64_t{1} << 40;

}  // namespace

PostProcessor::PostProcessor(const JsonNode& file) {
  const auto member = [&](const char* key, auto read) {
    const auto node = file.find(key);
    if (node && !node->is_null()) (this->*read)(*node);
  };
  member("post_processor", &PostProcessor::read_processor);
  member("truncation", &PostProcessor::read_truncation);
  member("padding", &PostProcessor::read_padding);
}

void PostProcessor::read_processor(const JsonNode& node) {
  const std::string_view type = node.get("type").as_string();
  if (type == "ByteLevel") return;  // it only concerns offsets
  if (type == "TemplateProcessing") return read_template(node);
  if (type == "BertProcessing" || type == "RobertaProcessing") {
    // [CLS] text [SEP], given as ["[SEP]", id] and ["[CLS]", id].
    const auto id_of = [&](const char* key) {
      const auto pair = node.get(key).elements();
      if (pair.size() != 2) node.get(key).fail_type("a token and its id");
      return pair[1].as_id();
    };
    before_.push_back(id_of("cls"));
    behind_.push_back(id_of("sep"));
    return;
  }
  if (type == "Sequence") {
    for (const JsonNode& step : node.get("processors").elements()) {
      if (!before_.empty() || !behind_.empty()) {
        if (step.get("type").as_string() != "ByteLevel") {
          fail(step.where, "a second step that adds tokens", "one at most");
        }
      }
      read_processor(step);
    }
    return;
  }
  fail(node.where, "a post-processor of type '" + std::string(type) + "'",
       "TemplateProcessing, ByteLevel, BertProcessing, RobertaProcessing or Sequence");
}

void PostProcessor::read_template(const JsonNode& node) {
  const JsonNode tokens = node.get("special_tokens");
  bool text_seen = false;
  for (const JsonNode& piece : node.get("single").elements()) {
    if (const auto sequence = piece.find("Sequence")) {
      if (text_seen) fail(piece.where, "the text a second time", "once");
      if (sequence->get("id").as_string() != "A") fail(piece.where, "sequence B", "sequence A");
      text_seen = true;
      continue;
    }
    const std::string name(piece.get("SpecialToken").get("id").as_string());
    const JsonNode token = tokens.get(name.c_str());
    for (const JsonNode& id : token.get("ids").elements()) {
      (text_seen ? behind_ : before_).push_back(id.as_id());
    }
  }
  if (!text_seen) fail(node.where + ".single", "no place for the text", "sequence A");
}

void PostProcessor::read_truncation(const JsonNode& node) {
  truncates_ = true;
  max_length_ = static_cast<size_t>(node.get("max_length").as_integer(0, kMaxLength));
  if (const auto direction = node.find("direction")) {
    truncates_left_ = direction->as_string() == "Left";
  }
  if (node.get("strategy").as_string() == "OnlySecond") {
    fail(node.where, "strategy 'OnlySecond'", "LongestFirst or OnlyFirst");
  }
}

void PostProcessor::read_padding(const JsonNode& node) {
  pads_ = true;
  const JsonNode strategy = node.get("strategy");
  if (strategy.value.is_object()) {
    pad_length_ = static_cast<size_t>(strategy.get("Fixed").as_integer(0, 1 << 30));
  } else if (strategy.as_string() != "BatchLongest") {
    fail(strategy.where, "'" + std::string(strategy.as_string()) + "'", "BatchLongest or Fixed");
  }
  pads_left_ = node.get("direction").as_string() == "Left";
  if (const auto multiple = node.find("pad_to_multiple_of"); multiple && !multiple->is_null()) {
    pad_multiple_ = static_cast<size_t>(multiple->as_integer(0, 1 << 30));
  }
  pad_id_ = node.get("pad_id").as_id();
}

void PostProcessor::apply(bool add_template, bool fit, size_t first,
                          std::vector<int32_t>& ids) const {
  const auto begin = [&] { return ids.begin() + static_cast<std::ptrdiff_t>(first); };
  const size_t added = add_template ? before_.size() + behind_.size() : 0;
  if (fit && truncates_) {
    const size_t room = max_length_ - std::min(max_length_, added);
    const size_t size = ids.size() - first;
    if (size > room && truncates_left_) {
      ids.erase(begin(), begin() + static_cast<std::ptrdiff_t>(size - room));
    } else if (size > room) {
      ids.resize(first + room);
    }
  }
  if (add_template) {
    ids.insert(begin(), before_.begin(), before_.end());
    ids.insert(ids.end(), behind_.begin(), behind_.end());
  }
  if (fit && pads_) {
    size_t wanted = std::max(pad_length_, ids.size() - first);
    if (pad_length_ > 0) wanted = pad_length_;
    if (pad_multiple_ > 0 && wanted % pad_multiple_ > 0) {
      wanted += pad_multiple_ - wanted % pad_multiple_;
    }
    if (ids.size() - first < wanted) {
      const size_t missing = wanted - (ids.size() - first);
      ids.insert(pads_left_ ? begin() : ids.end(), missing, pad_id_);
    }
  }
}

}  // namespace rmkv
