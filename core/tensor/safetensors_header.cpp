// Every number of the header is checked against the file and against the others.
#include "core/tensor/safetensors_header.h"

#include <algorithm>
#include <tuple>

#include "core/base/json.h"
#include "core/tensor/torch.h"

namespace rmkv {

namespace {

// The JSON text of a million tensors would fit; the reference implementation refuses above 100 MB.
constexpr uint64_t kMaxHeaderBytes = 100'000'000;
constexpr size_t kMaxDimensions = 64;  // of a LibTorch tensor

struct FileDtype {
  const char* name;
  at::ScalarType dtype;
};

constexpr FileDtype kFileDtypes[] = {
    {"F64", at::kDouble}, {"F32", at::kFloat}, {"F16", at::kHalf},  {"BF16", at::kBFloat16},
    {"I64", at::kLong},   {"I32", at::kInt},   {"I16", at::kShort}, {"I8", at::kChar},
    {"U8", at::kByte},    {"BOOL", at::kBool},
};

at::ScalarType find_dtype(const std::string& name, const std::string& where) {
  std::vector<std::string> names;
  for (const FileDtype& entry : kFileDtypes) {
    if (name == entry.name) return entry.dtype;
    names.push_back(entry.name);
  }
  fail_because(where, unknown_name_text("dtype", name, names));
}

// Reads a part of the JSON text; a value of another kind does not know where it stands.
template <typename Read>
auto read_at(const std::string& where, Read read) {
  try {
    return read();
  } catch (const Error& error) {
    throw Error(where + ": " + error.what());
  }
}

SafetensorsEntry read_entry(const std::string& tensor_name, const Value& value, uint64_t data_bytes,
                            const std::string& file_name) {
  std::string where = file_name + ": tensor '" + tensor_name + "'";
  auto field = [&](const char* key) -> const Value& {
    const Value* found = find(value.as_table(), key);
    if (!found) fail(where, "no " + std::string(key), "dtype, shape and data_offsets");
    return *found;
  };
  if (!value.is_table() || value.as_table().size() != 3) {
    fail(where, value.type_name(), "a table of dtype, shape and data_offsets");
  }
  SafetensorsEntry entry;
  entry.name = tensor_name;
  entry.dtype =
      find_dtype(read_at(where, [&dtype = field("dtype")] { return dtype.as_string(); }), where);
  const List shape =
      read_at(where + " shape", [&sizes = field("shape")] { return sizes.as_list(); });
  if (shape.size() > kMaxDimensions) {
    fail(where, std::to_string(shape.size()) + " dimensions", "at most 64");
  }
  uint64_t bytes = at::elementSize(entry.dtype), strides = bytes;
  for (const Value& size : shape) {
    const int64_t n = read_at(where + " shape", [&] { return size.as_int(); });
    // LibTorch computes strides with a zero counted as one; they must not overflow either.
    uint64_t step = static_cast<uint64_t>(std::max<int64_t>(n, 1));
    if (n < 0 || __builtin_mul_overflow(strides, step, &strides) || strides > INT64_MAX) {
      fail(where, "shape " + field("shape").to_text(), "sizes of a tensor that fits the file");
    }
    bytes *= static_cast<uint64_t>(n);
    entry.shape.push_back(n);
  }
  const List range = read_at(where + " data_offsets",
                             [&offsets = field("data_offsets")] { return offsets.as_list(); });
  if (range.size() != 2) fail(where, "data_offsets " + Value(range).to_text(), "two offsets");
  const auto offset = [&](size_t i) {
    return read_at(where + " data_offsets", [&] { return range[i].as_int(); });
  };
  const int64_t begin = offset(0), end = offset(1);
  if (begin < 0 || end < begin || static_cast<uint64_t>(end) > data_bytes) {
    fail(where, "data_offsets " + Value(range).to_text(),
         "a range within " + std::to_string(data_bytes) + " bytes of data",
         "the file is cut short or damaged");
  }
  entry.begin = static_cast<uint64_t>(begin);
  entry.end = static_cast<uint64_t>(end);
  if (entry.end - entry.begin != bytes) {
    fail(where, std::to_string(entry.end - entry.begin) + " bytes",
         std::to_string(bytes) + " bytes for its shape and dtype");
  }
  return entry;
}

// The ranges must tile the data: no holes (hidden content), no overlap.
void check_tiling(std::vector<SafetensorsEntry>& entries, uint64_t data_bytes,
                  const std::string& name) {
  std::sort(entries.begin(), entries.end(),
            [](const SafetensorsEntry& a, const SafetensorsEntry& b) {
              return std::tie(a.begin, a.end) < std::tie(b.begin, b.end);
            });
  uint64_t place = 0;
  for (const SafetensorsEntry& entry : entries) {
    if (entry.begin != place) {
      fail(name + ": tensor '" + entry.name + "'", "data at byte " + std::to_string(entry.begin),
           "data at byte " + std::to_string(place) + " (no holes, no overlap)");
    }
    place = entry.end;
  }
  if (place != data_bytes) {
    fail(name, std::to_string(data_bytes) + " bytes of data", std::to_string(place));
  }
}

uint64_t read_header_length(std::string_view bytes, const std::string& name) {
  if (bytes.size() < 8) fail(name, std::to_string(bytes.size()) + " bytes", "a safetensors file");
  uint64_t length = 0;
  for (int i = 7; i >= 0; --i) length = length << 8 | static_cast<unsigned char>(bytes[i]);
  if (length > bytes.size() - 8 || length > kMaxHeaderBytes) {
    fail(name, "a header of " + std::to_string(length) + " bytes",
         "at most " + std::to_string(std::min<uint64_t>(bytes.size() - 8, kMaxHeaderBytes)),
         "the file is no safetensors file, or is cut short");
  }
  return length;
}

}  // namespace

SafetensorsHeader parse_safetensors_header(std::string_view bytes, const std::string& name) {
  const uint64_t header_length = read_header_length(bytes, name);
  const uint64_t data_bytes = bytes.size() - 8 - header_length;
  Value text = parse_json(bytes.substr(8, header_length), name + ": header");
  if (!text.is_table()) fail(name, "a header that is a " + text.type_name(), "a table");
  SafetensorsHeader header;
  header.data_begin = 8 + header_length;
  for (const auto& [key, value] : text.as_table()) {
    if (key == "__metadata__") {
      header.metadata = read_at(name + ": __metadata__", [&entry = value] {
        std::map<std::string, std::string> texts;
        for (const auto& [meta_key, meta] : entry.as_table()) texts[meta_key] = meta.as_string();
        return texts;
      });
    } else {
      header.entries.push_back(read_entry(key, value, data_bytes, name));
    }
  }
  check_tiling(header.entries, data_bytes, name);
  return header;
}

const char* safetensors_dtype(at::ScalarType dtype, const std::string& where) {
  for (const FileDtype& entry : kFileDtypes) {
    if (dtype == entry.dtype) return entry.name;
  }
  fail(where, dtype_name(dtype), "a float, integer or bool tensor");
}

std::string safetensors_header_text(const std::vector<SafetensorsEntry>& entries,
                                    const std::map<std::string, std::string>& metadata) {
  Table header;
  for (const SafetensorsEntry& entry : entries) {
    List shape;
    for (const int64_t size : entry.shape) shape.push_back(size);
    header[entry.name] = Table{{"dtype", safetensors_dtype(entry.dtype, entry.name)},
                               {"shape", shape},
                               {"data_offsets", List{entry.begin, entry.end}}};
  }
  if (!metadata.empty()) {
    Table texts;
    for (const auto& [key, text] : metadata) texts[key] = text;
    header["__metadata__"] = texts;
  }
  std::string text = write_json(header);
  text.append((8 - text.size() % 8) % 8, ' ');
  std::string length;
  for (int i = 0; i < 8; ++i) length += static_cast<char>(text.size() >> (8 * i) & 0xFF);
  return length + text;
}

}  // namespace rmkv
