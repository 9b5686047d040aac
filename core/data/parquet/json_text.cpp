// Walking nested arrays.
#include "core/data/parquet/json_text.h"

#include "core/base/json_quote.h"

namespace rmkv::parquet_text {

namespace {

arrow::Status append_list(const arrow::Array& values, int64_t begin, int64_t end, int depth,
                          std::string& out) {
  out += '[';
  for (int64_t i = begin; i < end; ++i) {
    if (i > begin) out += ',';
    ARROW_RETURN_NOT_OK(append_json(values, i, depth, out));
  }
  out += ']';
  return arrow::Status::OK();
}

}  // namespace

bool is_nested(const arrow::DataType& type) {
  return type.id() == arrow::Type::LIST || type.id() == arrow::Type::LARGE_LIST ||
         type.id() == arrow::Type::FIXED_SIZE_LIST || type.id() == arrow::Type::STRUCT ||
         type.id() == arrow::Type::MAP;
}

arrow::Status append_plain(const arrow::Array& array, int64_t row, std::string& out) {
  if (array.type_id() == arrow::Type::STRING || array.type_id() == arrow::Type::BINARY) {
    out += static_cast<const arrow::BinaryArray&>(array).GetView(row);
    return arrow::Status::OK();
  }
  ARROW_ASSIGN_OR_RAISE(auto scalar, array.GetScalar(row));
  out += scalar->ToString();
  return arrow::Status::OK();
}

arrow::Status append_json(const arrow::Array& array, int64_t row, int depth, std::string& out) {
  if (depth == 0) return arrow::Status::Invalid("values nested too deeply");
  if (array.IsNull(row)) {
    out += "null";
    return arrow::Status::OK();
  }
  switch (array.type_id()) {
    case arrow::Type::STRUCT: {
      const auto& group = static_cast<const arrow::StructArray&>(array);
      out += '{';
      for (int i = 0; i < group.num_fields(); ++i) {
        if (i > 0) out += ',';
        append_json_quoted(group.struct_type()->field(i)->name(), out);
        out += ':';
        ARROW_RETURN_NOT_OK(append_json(*group.field(i), row, depth - 1, out));
      }
      out += '}';
      return arrow::Status::OK();
    }
    case arrow::Type::LIST:
    case arrow::Type::MAP: {
      const auto& list = static_cast<const arrow::ListArray&>(array);
      return append_list(*list.values(), list.value_offset(row),
                         list.value_offset(row) + list.value_length(row), depth - 1, out);
    }
    case arrow::Type::LARGE_LIST: {
      const auto& list = static_cast<const arrow::LargeListArray&>(array);
      return append_list(*list.values(), list.value_offset(row),
                         list.value_offset(row) + list.value_length(row), depth - 1, out);
    }
    case arrow::Type::FIXED_SIZE_LIST: {
      const auto& list = static_cast<const arrow::FixedSizeListArray&>(array);
      return append_list(*list.values(), list.value_offset(row),
                         list.value_offset(row) + list.value_length(row), depth - 1, out);
    }
    case arrow::Type::BOOL:
    case arrow::Type::INT8:
    case arrow::Type::INT16:
    case arrow::Type::INT32:
    case arrow::Type::INT64:
    case arrow::Type::UINT8:
    case arrow::Type::UINT16:
    case arrow::Type::UINT32:
    case arrow::Type::UINT64:
      return append_plain(array, row, out);
    default: {
      std::string text;
      ARROW_RETURN_NOT_OK(append_plain(array, row, text));
      append_json_quoted(text, out);
      return arrow::Status::OK();
    }
  }
}

}  // namespace rmkv::parquet_text
