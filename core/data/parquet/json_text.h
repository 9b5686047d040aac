// Values of Arrow arrays as text: plain ones as they are written, nested ones as JSON.
#pragma once

#include <arrow/api.h>

#include <string>

namespace rmkv::parquet_text {

bool is_nested(const arrow::DataType& type);
// A number, truth value, time or text; the value is not null.
arrow::Status append_plain(const arrow::Array& array, int64_t row, std::string& out);
// Lists, structs and maps, and plain values as JSON; fails beyond `depth` levels.
arrow::Status append_json(const arrow::Array& array, int64_t row, int depth, std::string& out);

}  // namespace rmkv::parquet_text
