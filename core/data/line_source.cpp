// Blocks of lines, and what becomes of a line.
#include "core/data/line_source.h"

#include <algorithm>

#include "core/base/cancel.h"
#include "core/base/random.h"
#include "core/data/csv_row.h"
#include "core/data/json_row.h"
#include "core/data/line_cutter.h"

namespace rmkv {

namespace {

constexpr uint64_t kBlockBytes = uint64_t{1} << 20;
// Rows looked at to choose the templates.
constexpr uint64_t kRowsTried = 100;
// Line numbers are counted for messages in files up to this size.
constexpr uint64_t kCountedBytes = uint64_t{64} << 20;

const char* format_name(LineFormat format) {
  switch (format) {
    case LineFormat::kJson:
      return "jsonl";
    case LineFormat::kCsv:
      return "csv";
    case LineFormat::kTsv:
      return "tsv";
    case LineFormat::kParagraphs:
      return "paragraphs";
  }
  return "";
}

}  // namespace

struct LineSource::Lines : RowBlock {
  CutText cut;
  const File* file = nullptr;
  size_t rows() const override { return cut.rows.size(); }
  size_t bytes() const override { return cut.text.size() + cut.rows.size() * sizeof(RowSpan); }
};

std::vector<SourceFile> open_source_files(const std::vector<std::string>& paths,
                                          const std::string& root,
                                          const std::string& cache_folder) {
  std::vector<SourceFile> files;
  for (const std::string& path : paths) {
    std::string relative = path;
    if (path.size() > root.size() && path.compare(0, root.size(), root) == 0) {
      relative = path.substr(root.size());
      relative.erase(0, relative.find_first_not_of('/'));
    }
    files.push_back({open_byte_file(path, cache_folder), relative});
  }
  return files;
}

LineSource::LineSource(std::string name, std::vector<SourceFile> files, LineOptions options)
    : name_(std::move(name)), options_(std::move(options)) {
  if (files.empty()) fail("source " + name_, "no files", "at least one");
  for (SourceFile& source : files) {
    File file;
    file.begins = source.file->restart_points();
    file.first_block = blocks_;
    uint64_t size = source.file->size_bytes();
    blocks_ += file.begins.empty() ? (size + kBlockBytes - 1) / kBlockBytes : file.begins.size();
    total_bytes_ += size;
    file.source = std::move(source);
    files_.push_back(std::move(file));
  }
  std::string where = "source " + name_;
  if (blocks_ == 0)
    fail(where, "no rows in " + files_[0].source.file->path(), "a file with text in it");
  if (options_.format == LineFormat::kCsv || options_.format == LineFormat::kTsv) {
    for (File& file : files_) prepare_table(file);
  }
  if (options_.format == LineFormat::kParagraphs) {
    if (!first_from(0)) fail(where, "no text in " + files_[0].source.file->path(), "paragraphs");
  } else {
    mapper_ = RowMapper(where, options_.row);
    choose();
  }
  count_small();
}

LineSource::Span LineSource::span_of(uint64_t block) const {
  auto next = std::upper_bound(files_.begin(), files_.end(), block,
                               [](uint64_t at, const File& file) { return at < file.first_block; });
  const File& file = *(next - 1);
  size_t inside = static_cast<size_t>(block - file.first_block);
  uint64_t size = file.source.file->size_bytes();
  bool quoted = inside < file.quoted.size() && file.quoted[inside];
  if (file.begins.empty())
    return {&file, inside * kBlockBytes, std::min(size, (inside + 1) * kBlockBytes), quoted};
  return {&file, file.begins[inside],
          inside + 1 < file.begins.size() ? file.begins[inside + 1] : size, quoted};
}

void LineSource::prepare_table(File& file) {
  const ByteFile& bytes = *file.source.file;
  const bool quotes = options_.format == LineFormat::kCsv;
  const char divider = quotes ? ',' : '\t';
  if (bytes.size_bytes() == 0) return;
  std::string where = bytes.path();
  if (options_.header.empty()) {
    CutText first = cut_lines(bytes, 0, std::min(bytes.size_bytes(), kBlockBytes), quotes, false);
    if (first.rows.empty()) fail(where, "no first line", "the names of the columns");
    RowSpan row = first.rows[0];
    auto why = CsvRow::split(std::string_view(first.text).substr(row.begin, row.length), divider,
                             quotes, file.header);
    if (why) fail(where + ":1", *why, "the names of the columns");
    file.header_end = row.begin + row.length;
  } else {
    file.header = options_.header;
  }
  if (!quotes) return;
  bool inside = false;
  uint64_t blocks = file.begins.empty() ? (bytes.size_bytes() + kBlockBytes - 1) / kBlockBytes
                                        : file.begins.size();
  for (uint64_t i = 0; i < blocks; ++i) {
    check_cancelled("data: reading " + where);
    file.quoted.push_back(inside);
    uint64_t begin = file.begins.empty() ? i * kBlockBytes : file.begins[i];
    uint64_t end = file.begins.empty() ? begin + kBlockBytes
                   : i + 1 < blocks    ? file.begins[i + 1]
                                       : bytes.size_bytes();
    end = std::min(end, bytes.size_bytes());
    std::string text = bytes.read(begin, end - begin);
    inside = inside != (std::count(text.begin(), text.end(), '"') % 2 == 1);
  }
}

std::shared_ptr<const RowBlock> LineSource::load(uint64_t index) const {
  Span span = span_of(index);
  const ByteFile& bytes = *span.file->source.file;
  auto lines = std::make_shared<Lines>();
  lines->file = span.file;
  lines->cut = options_.format == LineFormat::kParagraphs
                   ? cut_paragraphs(bytes, span.begin, span.end)
                   : cut_lines(bytes, span.begin, span.end, options_.format == LineFormat::kCsv,
                               span.quoted);
  if (span.file->header_end > 0) {
    auto& rows = lines->cut.rows;
    rows.erase(std::remove_if(rows.begin(), rows.end(),
                              [&](const RowSpan& row) {
                                return lines->cut.file_offset + row.begin < span.file->header_end;
                              }),
               rows.end());
  }
  return lines;
}

void LineSource::choose() {
  std::optional<uint64_t> id = first_from(0);
  if (!id) fail("source " + name_, "no rows in " + files_[0].source.file->path(), "rows");
  if (mapper_.chosen()) return;
  std::string seen = "no readable row";
  for (uint64_t tried = 0; id && tried < kRowsTried; id = first_from(*id + 1), ++tried) {
    auto block = std::static_pointer_cast<const Lines>(this->block(block_of(*id)));
    RowSpan row = block->cut.rows[row_of(*id)];
    std::string_view line = std::string_view(block->cut.text).substr(row.begin, row.length);
    JsonRow json;
    bool commas = options_.format == LineFormat::kCsv;
    CsvRow csv(block->file->header, commas ? ',' : '\t', commas);
    bool is_json = options_.format == LineFormat::kJson;
    if (row.too_long || (is_json ? json.parse(line) : csv.parse(line))) continue;
    const RowView& view = is_json ? static_cast<const RowView&>(json) : csv;
    if (mapper_.choose(view)) return;
    seen = "fields " + view.field_names();
    break;
  }
  fail("source " + name_, seen, "a text field, or prompt and response, or question and answer",
       "say how rows become text, for example text = \"{title}\\n{body}\"");
}

std::string LineSource::place(uint64_t id) const {
  auto block = std::static_pointer_cast<const Lines>(this->block(block_of(id)));
  uint64_t at = block->cut.file_offset + block->cut.rows[row_of(id)].begin;
  const ByteFile& file = *block->file->source.file;
  if (at > kCountedBytes) return file.path() + ": byte " + std::to_string(at);
  uint64_t line = 1;
  for (uint64_t from = 0; from < at; from += kBlockBytes) {
    std::string text = file.read(from, std::min(kBlockBytes, at - from));
    line += static_cast<uint64_t>(std::count(text.begin(), text.end(), '\n'));
  }
  return file.path() + ":" + std::to_string(line);
}

Document LineSource::document(uint64_t id) const {
  auto block = std::static_pointer_cast<const Lines>(this->block(block_of(id)));
  RowSpan row = block->cut.rows.at(row_of(id));
  if (row.too_long) {
    throw BadDocument(place(id) + ": got a row of more than " + std::to_string(kLargestRow >> 20) +
                      " MiB, expected less");
  }
  std::string_view line = std::string_view(block->cut.text).substr(row.begin, row.length);
  if (options_.format == LineFormat::kParagraphs) {
    Document document;
    document.text = line;
    document.parse_special = options_.row.special_tokens;
    return document;
  }
  auto where = [&] { return place(id); };
  if (options_.format == LineFormat::kJson) {
    static thread_local JsonRow json;
    if (auto why = json.parse(line)) throw BadDocument(place(id) + ": " + *why);
    return mapper_.map(json, where);
  }
  bool commas = options_.format == LineFormat::kCsv;
  CsvRow csv(block->file->header, commas ? ',' : '\t', commas);
  if (auto why = csv.parse(line)) throw BadDocument(place(id) + ": " + *why);
  return mapper_.map(csv, where);
}

uint64_t LineSource::document_key(uint64_t id) const {
  auto block = std::static_pointer_cast<const Lines>(this->block(block_of(id)));
  return mix64(hash_name(block->file->source.relative_name),
               block->cut.file_offset + block->cut.rows.at(row_of(id)).begin);
}

Table LineSource::manifest() const {
  List files, header;
  for (const File& file : files_)
    files.push_back(file.source.file->describe(file.source.relative_name));
  for (const std::string& column : options_.header) header.push_back(column);
  Table table = mapper_.options().to_table();
  if (options_.format == LineFormat::kParagraphs) table = options_.row.to_table();
  table["kind"] = format_name(options_.format);
  table["header"] = std::move(header);
  table["files"] = std::move(files);
  return table;
}

}  // namespace rmkv
