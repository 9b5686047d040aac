// librmkv_parquet.so: row groups through Arrow, and their cells as text.
//
// Built apart from the program, with -fPIC, from the headers and libraries of the PyPI wheel
// `pyarrow`.  Nothing of rmkv is linked in.
#include "core/data/parquet/plugin.h"

#include <arrow/api.h>
#include <arrow/io/file.h>
#include <arrow/util/compression.h>
#include <parquet/arrow/reader.h>
#include <parquet/arrow/schema.h>
#include <parquet/arrow/writer.h>
#include <parquet/file_reader.h>

#include <algorithm>
#include <cstdio>
#include <cstring>

#include "core/data/parquet/json_text.h"

namespace {

// What one process may hold in Arrow's memory: sizes in a damaged file are refused before they are
// allocated.
constexpr int64_t kMostMemory = int64_t{2} << 30;
// Of a page, a string or a list in the metadata.
constexpr int32_t kMostThrift = 64 << 20;
constexpr int kDeepestNesting = 32;

arrow::MemoryPool* pool() {
  static arrow::CappedMemoryPool capped(arrow::system_memory_pool(), kMostMemory);
  return &capped;
}

class Input : public arrow::io::RandomAccessFile {
 public:
  explicit Input(rmkv_parquet_input input) : input_(input) {}
  ~Input() override { input_.release(input_.self); }

  arrow::Status Close() override { return arrow::Status::OK(); }
  bool closed() const override { return false; }
  arrow::Result<int64_t> Tell() const override { return at_; }
  arrow::Status Seek(int64_t position) override {
    at_ = position;
    return arrow::Status::OK();
  }
  arrow::Result<int64_t> GetSize() override { return input_.size; }
  arrow::Result<int64_t> ReadAt(int64_t position, int64_t length, void* out) override {
    if (position < 0 || length < 0 || position > input_.size)
      return arrow::Status::IOError("a place outside of the file");
    int64_t got = input_.read(input_.self, position, std::min(length, input_.size - position), out);
    if (got < 0) return arrow::Status::IOError("the file cannot be read");
    return got;
  }
  arrow::Result<std::shared_ptr<arrow::Buffer>> ReadAt(int64_t position, int64_t length) override {
    if (position < 0 || length < 0 || position > input_.size)
      return arrow::Status::IOError("a place outside of the file");
    length = std::min(length, input_.size - position);
    ARROW_ASSIGN_OR_RAISE(auto buffer, arrow::AllocateResizableBuffer(length, pool()));
    ARROW_ASSIGN_OR_RAISE(int64_t got, ReadAt(position, length, buffer->mutable_data()));
    if (got != length) ARROW_RETURN_NOT_OK(buffer->Resize(got));
    return std::shared_ptr<arrow::Buffer>(std::move(buffer));
  }
  arrow::Result<int64_t> Read(int64_t length, void* out) override {
    ARROW_ASSIGN_OR_RAISE(int64_t got, ReadAt(at_, length, out));
    at_ += got;
    return got;
  }
  arrow::Result<std::shared_ptr<arrow::Buffer>> Read(int64_t length) override {
    ARROW_ASSIGN_OR_RAISE(auto buffer, ReadAt(at_, length));
    at_ += buffer->size();
    return buffer;
  }

 private:
  rmkv_parquet_input input_;
  int64_t at_ = 0;
};

parquet::ReaderProperties properties() {
  parquet::ReaderProperties options(pool());
  options.set_thrift_string_size_limit(kMostThrift);
  options.set_thrift_container_size_limit(1 << 22);
  return options;
}

void say(char* error, const std::string& text) {
  std::snprintf(error, RMKV_PARQUET_ERROR, "%s", text.c_str());
}

// A column whose values were turned into text when it was read.
struct TextColumn {
  std::string text;
  std::vector<int64_t> ends;
  std::vector<char> kinds;
};

struct Column {
  std::vector<std::shared_ptr<arrow::Array>> chunks;  // of strings; empty: `made`
  std::vector<int64_t> firsts;                        // row of each chunk's first value
  TextColumn made;
};

template <typename ArrayType>
rmkv_parquet_cell view(const arrow::Array& array, int64_t row) {
  if (array.IsNull(row)) return {RMKV_PARQUET_NULL, nullptr, 0};
  std::string_view text = static_cast<const ArrayType&>(array).GetView(row);
  return {RMKV_PARQUET_TEXT, text.data(), static_cast<int64_t>(text.size())};
}

bool is_text(const arrow::DataType& type) {
  return type.id() == arrow::Type::STRING || type.id() == arrow::Type::BINARY ||
         type.id() == arrow::Type::LARGE_STRING || type.id() == arrow::Type::LARGE_BINARY;
}

}  // namespace

struct rmkv_parquet_file {
  std::shared_ptr<Input> input;
  std::shared_ptr<parquet::FileMetaData> metadata;
  std::vector<std::string> names;
  std::vector<std::vector<int>> leaves;  // of each top-level column
};

struct rmkv_parquet_block {
  int64_t rows = 0, bytes = 0;
  std::vector<Column> columns;
};

namespace {

rmkv_parquet_file* open_file(rmkv_parquet_input input, char* error) {
  try {
    auto file = std::make_unique<rmkv_parquet_file>();
    file->input = std::make_shared<Input>(input);
    file->metadata = parquet::ParquetFileReader::Open(file->input, properties())->metadata();
    const parquet::SchemaDescriptor* schema = file->metadata->schema();
    const parquet::schema::GroupNode* root = schema->group_node();
    for (int i = 0; i < root->field_count(); ++i) file->names.push_back(root->field(i)->name());
    file->leaves.resize(file->names.size());
    for (int leaf = 0; leaf < schema->num_columns(); ++leaf) {
      int top = root->FieldIndex(*schema->GetColumnRoot(leaf));
      if (top >= 0) file->leaves[static_cast<size_t>(top)].push_back(leaf);
    }
    int64_t rows = 0;
    for (int g = 0; g < file->metadata->num_row_groups(); ++g) {
      int64_t count = file->metadata->RowGroup(g)->num_rows();
      if (count < 0 || count > (int64_t{1} << 40)) {
        say(error, "a row group of " + std::to_string(count) + " rows");
        return nullptr;
      }
      rows += count;
    }
    if (rows != file->metadata->num_rows()) {
      say(error, "row groups of " + std::to_string(rows) + " rows in all, but " +
                     std::to_string(file->metadata->num_rows()) + " in the footer");
      return nullptr;
    }
    return file.release();
  } catch (const std::exception& problem) {
    say(error, problem.what());
    return nullptr;
  }
}

int64_t group_bytes(const rmkv_parquet_file* file, int64_t group, const int* columns, int count) {
  auto row_group = file->metadata->RowGroup(static_cast<int>(group));
  int64_t bytes = 0;
  try {
    for (int i = 0; i < count; ++i) {
      for (int leaf : file->leaves[static_cast<size_t>(columns[i])])
        bytes += std::max<int64_t>(0, row_group->ColumnChunk(leaf)->total_uncompressed_size());
    }
  } catch (const std::exception&) {
    return 0;  // reading the column gives the reason
  }
  return bytes;
}

arrow::Status add_chunk(const arrow::Array& array, TextColumn& made) {
  for (int64_t row = 0; row < array.length(); ++row) {
    int kind = RMKV_PARQUET_NULL;
    if (!array.IsNull(row)) {
      bool nested = rmkv::parquet_text::is_nested(*array.type());
      kind = nested ? RMKV_PARQUET_NESTED : RMKV_PARQUET_TEXT;
      ARROW_RETURN_NOT_OK(
          nested ? rmkv::parquet_text::append_json(array, row, kDeepestNesting, made.text)
                 : rmkv::parquet_text::append_plain(array, row, made.text));
    }
    made.ends.push_back(static_cast<int64_t>(made.text.size()));
    made.kinds.push_back(static_cast<char>(kind));
  }
  return arrow::Status::OK();
}

arrow::Status fill(const arrow::Table& table, rmkv_parquet_block& block) {
  block.rows = table.num_rows();
  for (int c = 0; c < table.num_columns(); ++c) {
    Column column;
    const arrow::ChunkedArray& data = *table.column(c);
    int64_t first = 0;
    for (const auto& chunk : data.chunks()) {
      ARROW_RETURN_NOT_OK(chunk->Validate());
      if (is_text(*data.type())) {
        column.chunks.push_back(chunk);
        column.firsts.push_back(first);
        for (const auto& buffer : chunk->data()->buffers)
          block.bytes += buffer ? buffer->size() : 0;
      } else {
        ARROW_RETURN_NOT_OK(add_chunk(*chunk, column.made));
      }
      first += chunk->length();
    }
    if (first != block.rows) return arrow::Status::Invalid("columns of different lengths");
    block.bytes += static_cast<int64_t>(column.made.text.size() + 9 * column.made.ends.size());
    block.columns.push_back(std::move(column));
  }
  return arrow::Status::OK();
}

arrow::Result<std::shared_ptr<arrow::Table>> read_table(const rmkv_parquet_file& file, int group,
                                                        int64_t first, int64_t count,
                                                        const std::vector<int>& leaves) {
  auto reader = parquet::ParquetFileReader::Open(file.input, properties(), file.metadata);
  parquet::ArrowReaderProperties arrow_options(/*use_threads=*/false);
  arrow_options.set_pre_buffer(false);
  bool all = first == 0 && count >= file.metadata->RowGroup(group)->num_rows();
  if (!all) arrow_options.set_batch_size(std::max<int64_t>(1, std::min<int64_t>(count, 4096)));
  ARROW_ASSIGN_OR_RAISE(auto arrow_reader,
                        parquet::arrow::FileReader::Make(pool(), std::move(reader), arrow_options));
  if (all) return arrow_reader->ReadRowGroup(group, leaves);
  ARROW_ASSIGN_OR_RAISE(auto batches, arrow_reader->GetRecordBatchReader({group}, leaves));
  std::vector<std::shared_ptr<arrow::RecordBatch>> kept;
  std::shared_ptr<arrow::RecordBatch> batch;
  for (int64_t at = 0; at < first + count; at += batch->num_rows()) {
    ARROW_RETURN_NOT_OK(batches->ReadNext(&batch));
    if (batch == nullptr) break;
    int64_t begin = std::max<int64_t>(0, first - at);
    int64_t end = std::min(batch->num_rows(), first + count - at);
    if (begin < end) kept.push_back(batch->Slice(begin, end - begin));
  }
  return arrow::Table::FromRecordBatches(batches->schema(), kept);
}

rmkv_parquet_block* read_rows(const rmkv_parquet_file* file, int64_t group, int64_t first,
                              int64_t count, const int* columns, int column_count, char* error) {
  try {
    std::vector<int> leaves;
    for (int i = 0; i < column_count; ++i) {
      const auto& own = file->leaves[static_cast<size_t>(columns[i])];
      leaves.insert(leaves.end(), own.begin(), own.end());
    }
    auto table = read_table(*file, static_cast<int>(group), first, count, leaves);
    if (!table.ok()) {
      say(error, table.status().message());
      return nullptr;
    }
    auto block = std::make_unique<rmkv_parquet_block>();
    arrow::Status status = fill(**table, *block);
    if (!status.ok()) {
      say(error, status.message());
      return nullptr;
    }
    // A damaged file may have fewer rows than its footer says, or columns without values.
    if (block->rows != count || block->columns.size() != static_cast<size_t>(column_count)) {
      say(error, std::to_string(block->rows) + " rows of " + std::to_string(block->columns.size()) +
                     " columns, but " + std::to_string(count) + " of " +
                     std::to_string(column_count) + " in the footer");
      return nullptr;
    }
    return block.release();
  } catch (const std::exception& problem) {
    say(error, problem.what());
    return nullptr;
  }
}

rmkv_parquet_cell cell(const rmkv_parquet_block* block, int index, int64_t row) {
  const Column& column = block->columns[static_cast<size_t>(index)];
  if (column.chunks.empty()) {
    const TextColumn& made = column.made;
    size_t at = static_cast<size_t>(row);
    int64_t begin = at == 0 ? 0 : made.ends[at - 1];
    return {made.kinds[at], made.text.data() + begin, made.ends[at] - begin};
  }
  auto next = std::upper_bound(column.firsts.begin(), column.firsts.end(), row);
  size_t chunk = static_cast<size_t>(next - column.firsts.begin()) - 1;
  const arrow::Array& array = *column.chunks[chunk];
  int64_t inside = row - column.firsts[chunk];
  switch (array.type_id()) {
    case arrow::Type::STRING:
    case arrow::Type::BINARY:
      return view<arrow::BinaryArray>(array, inside);
    default:
      return view<arrow::LargeBinaryArray>(array, inside);
  }
}

arrow::Status write_table(const char* path, const char* const* names, int columns,
                          const rmkv_parquet_cell* values, int64_t rows, int64_t group_rows,
                          const char* codec) {
  std::vector<std::shared_ptr<arrow::Field>> fields;
  std::vector<std::shared_ptr<arrow::Array>> arrays;
  for (int c = 0; c < columns; ++c) {
    arrow::LargeStringBuilder builder;
    for (int64_t r = 0; r < rows; ++r) {
      const rmkv_parquet_cell& value = values[c * rows + r];
      ARROW_RETURN_NOT_OK(value.kind == RMKV_PARQUET_NULL
                              ? builder.AppendNull()
                              : builder.Append(value.data, value.length));
    }
    ARROW_ASSIGN_OR_RAISE(auto array, builder.Finish());
    arrays.push_back(array);
    fields.push_back(arrow::field(names[c], arrow::large_utf8()));
  }
  ARROW_ASSIGN_OR_RAISE(auto kind, arrow::util::Codec::GetCompressionType(codec));
  ARROW_ASSIGN_OR_RAISE(auto out, arrow::io::FileOutputStream::Open(path));
  auto table = arrow::Table::Make(arrow::schema(fields), arrays, rows);
  auto options = parquet::WriterProperties::Builder().compression(kind)->build();
  ARROW_RETURN_NOT_OK(
      parquet::arrow::WriteTable(*table, arrow::default_memory_pool(), out, group_rows, options));
  return out->Close();
}

int write_file(const char* path, const char* const* names, int columns,
               const rmkv_parquet_cell* values, int64_t rows, int64_t group_rows, const char* codec,
               char* error) {
  try {
    arrow::Status status = write_table(path, names, columns, values, rows, group_rows, codec);
    if (!status.ok()) say(error, status.message());
    return status.ok() ? 0 : -1;
  } catch (const std::exception& problem) {
    say(error, problem.what());
    return -1;
  }
}

const rmkv_parquet_api kApi = {
    RMKV_PARQUET_VERSION,
    open_file,
    [](rmkv_parquet_file* file) { delete file; },
    [](const rmkv_parquet_file* file) -> int64_t { return file->metadata->num_row_groups(); },
    [](const rmkv_parquet_file* file, int64_t group) -> int64_t {
      return file->metadata->RowGroup(static_cast<int>(group))->num_rows();
    },
    group_bytes,
    [](const rmkv_parquet_file* file) { return static_cast<int>(file->names.size()); },
    [](const rmkv_parquet_file* file, int column) {
      return file->names[static_cast<size_t>(column)].c_str();
    },
    read_rows,
    [](const rmkv_parquet_block* block) { return block->rows; },
    [](const rmkv_parquet_block* block) { return block->bytes; },
    cell,
    [](rmkv_parquet_block* block) { delete block; },
    write_file};

}  // namespace

extern "C" __attribute__((visibility("default"))) const rmkv_parquet_api* rmkv_parquet_get(void) {
  return &kApi;
}
