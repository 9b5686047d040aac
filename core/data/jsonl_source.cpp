// JSON lines through simdjson.
#include "core/data/jsonl_source.h"

#include <simdjson.h>

#include <algorithm>
#include <cstring>
#include <optional>

#include "core/base/random.h"
#include "core/data/file_range.h"
#include "core/data/manifest.h"

namespace rmkv {

namespace {

constexpr size_t kScanBytes = size_t{1} << 20;
// A row beyond this is damage, not data.
constexpr uint64_t kLargestRow = uint64_t{1} << 30;
// Rows looked at to choose the templates.
constexpr uint64_t kRowsTried = 100;

using Element = simdjson::dom::element;

std::optional<Element> member(const Element& element, std::string_view key) {
  Element found;
  if (element.is_object()) {
    if (element.get_object().value_unsafe().at_key(key).get(found) == simdjson::SUCCESS)
      return found;
  } else if (element.is_array()) {
    size_t index = 0;
    for (char c : key) {
      if (c < '0' || c > '9' || index > 1'000'000) return std::nullopt;
      index = index * 10 + static_cast<size_t>(c - '0');
    }
    if (!key.empty() &&
        element.get_array().value_unsafe().at(index).get(found) == simdjson::SUCCESS) {
      return found;
    }
  }
  return std::nullopt;
}

// By whole key first (keys may hold dots), then from dot to dot.
std::optional<Element> lookup(const Element& root, const std::string& path) {
  if (auto whole = member(root, path)) return whole;
  Element at = root;
  for (size_t begin = 0; begin <= path.size();) {
    size_t dot = std::min(path.find('.', begin), path.size());
    auto next = member(at, std::string_view(path).substr(begin, dot - begin));
    if (!next) return std::nullopt;
    at = *next;
    begin = dot + 1;
  }
  return at;
}

std::string key_list(const Element& root) {
  std::string text;
  if (!root.is_object()) return "no object";
  simdjson::dom::object object = root.get_object().value_unsafe();
  for (auto field : object) {
    text += (text.empty() ? "" : ", ") + std::string(field.key);
  }
  return text;
}

}  // namespace

JsonlSource::JsonlSource(std::string name, const std::vector<std::string>& paths,
                         const std::string& root, JsonlOptions options)
    : name_(std::move(name)), options_(std::move(options)) {
  if (paths.empty()) fail("source " + name_, "no files", "at least one");
  for (const std::string& path : paths) {
    std::string relative = path;
    if (path.size() > root.size() && path.compare(0, root.size(), root) == 0) {
      relative = path.substr(root.size());
      relative.erase(0, relative.find_first_not_of('/'));
    }
    files_.push_back({path, relative, RangeReader(path).size_bytes()});
  }
  for (uint32_t file = 0; file < files_.size(); ++file) index_lines(file);
  if (rows_.empty()) fail("source " + name_, "no rows in " + files_[0].path, "JSON lines");
  if (options_.text.empty() && options_.prompt.empty()) {
    choose_templates();
  } else {
    prompt_ = RowTemplate(options_.prompt);
    text_ = RowTemplate(options_.text);
  }
}

void JsonlSource::index_lines(uint32_t file) {
  RangeReader reader(files_[file].path);
  std::string chunk(kScanBytes, '\0');
  uint64_t position = 0, begin = 0, line = 1;
  bool blank = true;
  auto close_line = [&](uint64_t end) {
    if (!blank) {
      uint64_t length = std::min<uint64_t>(end - begin, kLargestRow + 1);
      rows_.push_back({begin, static_cast<uint32_t>(length), file, line});
    }
  };
  while (size_t got = reader.read_some(position, chunk.data(), chunk.size())) {
    size_t i = 0;
    if (position == 0 && got >= 3 && std::memcmp(chunk.data(), "\xEF\xBB\xBF", 3) == 0)
      begin = i = 3;
    while (i < got) {
      const char* found = static_cast<const char*>(std::memchr(chunk.data() + i, '\n', got - i));
      size_t end = found == nullptr ? got : static_cast<size_t>(found - chunk.data());
      for (size_t j = i; blank && j < end; ++j) {
        blank = chunk[j] == ' ' || chunk[j] == '\r' || chunk[j] == '\t';
      }
      if (found == nullptr) break;
      close_line(position + end);
      i = end + 1;
      begin = position + i;
      ++line;
      blank = true;
    }
    position += got;
  }
  close_line(position);
}

std::string JsonlSource::place(const Row& row) const {
  return files_[row.file].path + ":" + std::to_string(row.line);
}

void JsonlSource::choose_templates() {
  // The first row that is an object decides; {prompt template, text template} by the fields it has.
  struct Choice {
    std::vector<std::string> fields;
    std::string prompt, text;
  };
  const std::vector<Choice> kChoices = {
      {{"text"}, "", "{text}"},
      {{"prompt", "response"}, "{prompt}\n<start>", "{response}<end>"},
      {{"question", "answer"}, "{question}\n<start>", "{answer}<end>"},
      {{"instruction", "input", "output"}, "{instruction}\n{input}\n<start>", "{output}<end>"},
      {{"instruction", "output"}, "{instruction}\n<start>", "{output}<end>"},
      {{"instruction", "response"}, "{instruction}\n<start>", "{response}<end>"},
      {{"input", "output"}, "{input}\n<start>", "{output}<end>"},
      {{"content"}, "", "{content}"},
  };
  std::string seen = "no readable row";
  for (uint64_t i = 0; i < std::min<uint64_t>(rows_.size(), kRowsTried); ++i) {
    const Row& row = rows_[i];
    if (row.length_bytes > kLargestRow) continue;
    simdjson::dom::parser parser;
    Element root;
    std::string text = RangeReader(files_[row.file].path).read(row.begin, row.length_bytes);
    if (parser.parse(text).get(root) != simdjson::SUCCESS || !root.is_object()) continue;
    for (const Choice& choice : kChoices) {
      bool all =
          std::all_of(choice.fields.begin(), choice.fields.end(), [&](const std::string& key) {
            auto value = member(root, key);
            return value && value->is_string();
          });
      if (all) {
        prompt_ = RowTemplate(options_.prompt = choice.prompt);
        text_ = RowTemplate(options_.text = choice.text);
        return;
      }
    }
    seen = "fields " + key_list(root);
    break;
  }
  fail("source " + name_, seen, "a text field, or prompt and response, or question and answer",
       "say how rows become text, for example text = \"{title}\\n{body}\"");
}

Document JsonlSource::document(uint64_t index) const {
  const Row& row = rows_.at(index);
  if (row.length_bytes > kLargestRow) {
    throw BadDocument(place(row) + ": got a row of more than 1 GiB, expected a JSON object");
  }
  static thread_local simdjson::dom::parser parser;
  std::string line = RangeReader(files_[row.file].path).read(row.begin, row.length_bytes);
  Element root;
  simdjson::error_code code = parser.parse(line).get(root);
  if (code != simdjson::SUCCESS) {
    throw BadDocument(place(row) + ": " + simdjson::error_message(code));
  }
  if (!root.is_object()) throw BadDocument(place(row) + ": got no object, expected a JSON object");
  auto field = [&](const std::string& path) -> std::string {
    auto value = lookup(root, path);
    if (!value) {
      throw BadDocument(place(row) + ": got the fields " + key_list(root) + ", expected '" + path +
                        "'");
    }
    if (value->is_string()) return std::string(value->get_string().value_unsafe());
    if (value->is_object() || value->is_array() || value->is_null()) {
      throw BadDocument(place(row) + ": got " + (value->is_null() ? "null" : "a nested value") +
                        " in '" + path + "', expected text or a number");
    }
    return simdjson::to_string(*value);
  };
  Document document;
  prompt_.fill(field, document.text);
  if (options_.mask_prompt && !document.text.empty()) {
    document.loss_spans.push_back({0, document.text.size(), 0});
  }
  text_.fill(field, document.text);
  document.parse_special = options_.special_tokens;
  return document;
}

uint64_t JsonlSource::document_key(uint64_t index) const {
  const Row& row = rows_.at(index);
  return mix64(hash_name(files_[row.file].relative_name), row.line);
}

Table JsonlSource::manifest() const {
  List files;
  for (const File& file : files_) files.push_back(describe_file(file.path, file.relative_name));
  return {{"kind", "jsonl"},
          {"text", options_.text},
          {"prompt", options_.prompt},
          {"mask_prompt", options_.mask_prompt},
          {"special_tokens", options_.special_tokens},
          {"files", std::move(files)}};
}

}  // namespace rmkv
