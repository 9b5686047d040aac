// Footers, blocks, rows.
#include "core/data/parquet_source.h"

#include <algorithm>

#include "core/base/cancel.h"
#include "core/base/random.h"
#include "core/data/json_row.h"
#include "core/data/parquet_library.h"

namespace rmkv {

namespace {

// Footers in memory: of a file of 2 GB about a megabyte.
constexpr size_t kFilesKept = 8;
// Row groups with more text are read in slices.
constexpr uint64_t kSliceBytes = uint64_t{32} << 20;
constexpr uint64_t kMostSliceRows = 1 << 20;

// Arrow's window into one of our files; a failure is told by -1 and repeated by whoever asked.
rmkv_parquet_input input_of(const ByteFilePtr& file) {
  auto* held = new ByteFilePtr(file);
  return {held, static_cast<int64_t>(file->size_bytes()),
          [](void* self, int64_t begin, int64_t length, void* target) -> int64_t {
            try {
              const ByteFile& bytes = **static_cast<ByteFilePtr*>(self);
              return static_cast<int64_t>(bytes.read_some(static_cast<uint64_t>(begin),
                                                          static_cast<char*>(target),
                                                          static_cast<size_t>(length)));
            } catch (const std::exception&) {
              return -1;
            }
          },
          [](void* self) { delete static_cast<ByteFilePtr*>(self); }};
}

std::vector<int> column_numbers(const rmkv_parquet_api& api, const rmkv_parquet_file* file,
                                const std::vector<std::string>& names, const std::string& path) {
  std::vector<int> numbers;
  for (const std::string& name : names) {
    int found = -1;
    for (int i = 0; i < api.columns(file); ++i) {
      if (name == api.column_name(file, i)) found = i;
    }
    if (found < 0) {
      std::vector<std::string> all;
      for (int i = 0; i < api.columns(file); ++i) all.push_back(api.column_name(file, i));
      fail_because(path, unknown_name_text("column", name, all));
    }
    numbers.push_back(found);
  }
  return numbers;
}

}  // namespace

struct ParquetSource::Rows : RowBlock {
  ~Rows() override { parquet_library().free_block(block); }
  size_t rows() const override { return static_cast<size_t>(parquet_library().rows(block)); }
  size_t bytes() const override { return static_cast<size_t>(parquet_library().bytes(block)); }
  rmkv_parquet_block* block = nullptr;
  std::vector<std::string> columns;  // in the order of the file
};

class ParquetSource::Row : public RowView {
 public:
  Row(const Rows& rows, uint64_t row) : rows_(rows), row_(static_cast<int64_t>(row)) {}

  void field(const std::string& path, Field& out) const override {
    out.kind = Field::Kind::kMissing;
    int column = find(path);
    if (column >= 0) return take(column, out);
    size_t dot = path.find('.');
    if (dot == std::string::npos || (column = find(path.substr(0, dot))) < 0) return;
    take(column, out);
    if (out.kind != Field::Kind::kNested) {
      out.kind = Field::Kind::kMissing;
      return;
    }
    std::string name = path.substr(0, dot), wrapped = "{\"x\":" + std::string(out.text) + "}";
    static thread_local JsonRow json;
    out.kind = Field::Kind::kMissing;
    Field inner;
    if (json.parse(wrapped)) return;
    json.field("x" + path.substr(dot), inner);
    out.keep(inner.kind, std::string(inner.text));
  }

  std::string field_names() const override {
    std::string text;
    for (const std::string& name : rows_.columns) text += (text.empty() ? "" : ", ") + name;
    return text;
  }

 private:
  int find(const std::string& name) const {
    for (size_t i = 0; i < rows_.columns.size(); ++i) {
      if (rows_.columns[i] == name) return static_cast<int>(i);
    }
    return -1;
  }
  void take(int column, Field& out) const {
    rmkv_parquet_cell cell = parquet_library().cell(rows_.block, column, row_);
    out.kind = cell.kind == RMKV_PARQUET_NULL   ? Field::Kind::kNull
               : cell.kind == RMKV_PARQUET_TEXT ? Field::Kind::kText
                                                : Field::Kind::kNested;
    out.text = {cell.data, static_cast<size_t>(cell.length)};
  }
  const Rows& rows_;
  int64_t row_;
};

ParquetSource::ParquetSource(std::string name, std::vector<SourceFile> files, RowOptions options)
    : name_(std::move(name)),
      files_(std::move(files)),
      mapper_("source " + name_, std::move(options)) {
  if (files_.empty()) fail("source " + name_, "no files", "at least one");
  parquet_library();
  for (uint32_t i = 0; i < files_.size(); ++i) {
    check_cancelled("data: reading footers");
    FileHandle file = open(i);
    if (i == 0) {
      if (!mapper_.chosen()) choose_templates(file.get());
      choose_columns(file.get());
    }
    add_blocks(i, file.get());
  }
  if (count_ == 0) fail("source " + name_, "no rows in " + files_[0].file->path(), "rows");
}

ParquetSource::~ParquetSource() = default;

ParquetSource::FileHandle ParquetSource::open(uint32_t index) const {
  {
    std::lock_guard lock(mutex_);
    for (auto at = recent_.begin(); at != recent_.end(); ++at) {
      if (at->first != index) continue;
      recent_.splice(recent_.begin(), recent_, at);
      return at->second;
    }
  }
  const rmkv_parquet_api& api = parquet_library();
  const ByteFilePtr& bytes = files_[index].file;
  char error[RMKV_PARQUET_ERROR] = "";
  FileHandle file(api.open(input_of(bytes), error), api.close);
  if (file == nullptr) fail(bytes->path(), error, "a whole parquet file");
  std::lock_guard lock(mutex_);
  recent_.emplace_front(index, file);
  if (recent_.size() > kFilesKept) recent_.pop_back();
  return file;
}

void ParquetSource::choose_templates(rmkv_parquet_file* file) {
  const rmkv_parquet_api& api = parquet_library();
  std::vector<int> all;
  Rows rows;
  for (int i = 0; i < api.columns(file); ++i) {
    all.push_back(i);
    rows.columns.push_back(api.column_name(file, i));
  }
  int64_t group = 0;
  while (group < api.groups(file) && api.group_rows(file, group) == 0) ++group;
  std::string seen = "no rows";
  if (group < api.groups(file)) {
    char error[RMKV_PARQUET_ERROR] = "";
    rows.block = api.read(file, group, 0, 1, all.data(), static_cast<int>(all.size()), error);
    if (rows.block == nullptr) fail(files_[0].file->path(), error, "readable columns");
    Row row(rows, 0);
    if (mapper_.choose(row)) return;
    seen = "columns " + row.field_names();
  }
  fail("source " + name_, seen, "a text column, or prompt and response, or question and answer",
       "say how rows become text, for example text = \"{title}\\n{body}\"");
}

void ParquetSource::choose_columns(rmkv_parquet_file* file) {
  const rmkv_parquet_api& api = parquet_library();
  std::vector<std::string> all, wanted;
  for (int i = 0; i < api.columns(file); ++i) all.push_back(api.column_name(file, i));
  auto known = [&](const std::string& name) {
    return std::find(all.begin(), all.end(), name) != all.end();
  };
  for (const std::string& path : mapper_.columns())
    wanted.push_back(known(path) ? path : path.substr(0, path.find('.')));
  for (const std::string& name : wanted) {
    if (!known(name)) fail_because(files_[0].file->path(), unknown_name_text("column", name, all));
  }
  // In the order of the file, which is the order in which Arrow gives them.
  for (const std::string& name : all) {
    if (std::find(wanted.begin(), wanted.end(), name) != wanted.end()) columns_.push_back(name);
  }
  if (columns_.empty())
    fail("source " + name_, "templates without a field", "at least one {field}");
}

void ParquetSource::add_blocks(uint32_t index, rmkv_parquet_file* file) {
  const rmkv_parquet_api& api = parquet_library();
  std::vector<int> columns = column_numbers(api, file, columns_, files_[index].file->path());
  uint64_t file_row = 0;
  for (int64_t group = 0; group < api.groups(file); ++group) {
    uint64_t rows = static_cast<uint64_t>(api.group_rows(file, group));
    uint64_t bytes = static_cast<uint64_t>(
        api.group_bytes(file, group, columns.data(), static_cast<int>(columns.size())));
    uint64_t slices = std::max(bytes / kSliceBytes + 1, rows / kMostSliceRows + 1);
    if (rows > UINT32_MAX || slices > (uint64_t{1} << 20)) {
      fail(files_[index].file->path(),
           "a row group of " + std::to_string(rows) + " rows and " + std::to_string(bytes) +
               " bytes",
           "row groups that can be read in slices");
    }
    for (uint64_t s = 0; s < slices; ++s) {
      uint64_t begin = rows * s / slices, end = rows * (s + 1) / slices;
      if (begin == end) continue;
      blocks_.push_back({index, static_cast<uint32_t>(group), static_cast<uint32_t>(begin),
                         static_cast<uint32_t>(end - begin), file_row + begin});
    }
    file_row += rows;
    total_bytes_ += bytes;
  }
  count_ += file_row;
}

std::shared_ptr<const RowBlock> ParquetSource::load(uint64_t index) const {
  const rmkv_parquet_api& api = parquet_library();
  const Block& block = blocks_.at(index);
  FileHandle file = open(block.file);
  const std::string& path = files_[block.file].file->path();
  std::vector<int> columns = column_numbers(api, file.get(), columns_, path);
  auto rows = std::make_shared<Rows>();
  rows->columns = columns_;
  if (!std::is_sorted(columns.begin(), columns.end())) {
    // Another order than in the first file.
    std::sort(columns.begin(), columns.end());
    for (size_t i = 0; i < columns.size(); ++i)
      rows->columns[i] = api.column_name(file.get(), columns[i]);
  }
  char error[RMKV_PARQUET_ERROR] = "";
  rows->block = api.read(file.get(), block.group, block.first_row, block.rows, columns.data(),
                         static_cast<int>(columns.size()), error);
  std::string where = path + ": row group " + std::to_string(block.group + 1);
  // Where the file itself cannot be read, this says why.
  if (rows->block == nullptr) files_[block.file].file->read(0, 1);
  if (rows->block == nullptr) fail(where, error, "readable columns");
  if (rows->rows() != block.rows)
    fail(where, std::to_string(rows->rows()) + " rows", std::to_string(block.rows));
  return rows;
}

std::string ParquetSource::place(uint64_t id) const {
  const Block& block = blocks_.at(block_of(id));
  return files_[block.file].file->path() + ": row " +
         std::to_string(block.file_row + row_of(id) + 1);
}

Document ParquetSource::document(uint64_t id) const {
  auto rows = std::static_pointer_cast<const Rows>(block(block_of(id)));
  return mapper_.map(Row(*rows, row_of(id)), [&] { return place(id); });
}

uint64_t ParquetSource::document_key(uint64_t id) const {
  const Block& block = blocks_.at(block_of(id));
  return mix64(hash_name(files_[block.file].relative_name), block.file_row + row_of(id));
}

Table ParquetSource::manifest() const {
  List files;
  for (const SourceFile& file : files_) files.push_back(file.file->describe(file.relative_name));
  Table table = mapper_.options().to_table();
  table["kind"] = "parquet";
  table["files"] = std::move(files);
  return table;
}

void write_parquet(const std::string& path, const TextTable& table, int64_t group_rows,
                   const std::string& codec) {
  std::vector<const char*> names;
  std::vector<rmkv_parquet_cell> cells;
  size_t rows = table.columns.empty() ? 0 : table.columns[0].size();
  for (size_t c = 0; c < table.names.size(); ++c) {
    names.push_back(table.names[c].c_str());
    if (table.columns.at(c).size() != rows)
      fail("write_parquet: " + table.names[c], std::to_string(table.columns[c].size()) + " rows",
           std::to_string(rows));
    for (const std::string& text : table.columns[c])
      cells.push_back({RMKV_PARQUET_TEXT, text.data(), static_cast<int64_t>(text.size())});
  }
  char error[RMKV_PARQUET_ERROR] = "";
  if (parquet_library().write(path.c_str(), names.data(), static_cast<int>(names.size()),
                              cells.data(), static_cast<int64_t>(rows), group_rows, codec.c_str(),
                              error) != 0)
    fail_because(path, std::string("cannot be written: ") + error);
}

}  // namespace rmkv
