// Reading checks everything in the header against the file before a tensor is made; writing
// streams.
#include "core/tensor/safetensors.h"

#include <algorithm>
#include <cstring>
#include <tuple>

#include "core/base/file.h"
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
  uint64_t bytes;
};

constexpr FileDtype kFileDtypes[] = {
    {"F64", at::kDouble, 8},    {"F32", at::kFloat, 4}, {"F16", at::kHalf, 2},
    {"BF16", at::kBFloat16, 2}, {"I64", at::kLong, 8},  {"I32", at::kInt, 4},
    {"I16", at::kShort, 2},     {"I8", at::kChar, 1},   {"U8", at::kByte, 1},
    {"BOOL", at::kBool, 1},
};

const FileDtype& find_dtype(const std::string& name, const std::string& where) {
  std::vector<std::string> names;
  for (const FileDtype& entry : kFileDtypes) {
    if (name == entry.name) return entry;
    names.push_back(entry.name);
  }
  fail_because(where, unknown_name_text("dtype", name, names));
}

const FileDtype& find_dtype(at::ScalarType dtype, const std::string& where) {
  for (const FileDtype& entry : kFileDtypes) {
    if (dtype == entry.dtype) return entry;
  }
  fail(where, dtype_name(dtype), "a float, integer or bool tensor");
}

// One checked entry of the header.
struct Entry {
  std::string name;
  const FileDtype* dtype;
  std::vector<int64_t> shape;
  uint64_t begin, end;  // bytes from the start of the data
};

Entry read_entry(const std::string& tensor_name, const Value& value, uint64_t data_bytes,
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
  Entry entry;
  entry.name = tensor_name;
  entry.dtype = &find_dtype(field("dtype").as_string(), where);
  const List& shape = field("shape").as_list();
  if (shape.size() > kMaxDimensions) {
    fail(where, std::to_string(shape.size()) + " dimensions", "at most 64");
  }
  uint64_t bytes = entry.dtype->bytes, strides = entry.dtype->bytes;
  for (const Value& size : shape) {
    int64_t n = size.as_int();
    // LibTorch computes strides with a zero counted as one; they must not overflow either.
    uint64_t step = static_cast<uint64_t>(std::max<int64_t>(n, 1));
    if (n < 0 || __builtin_mul_overflow(strides, step, &strides) || strides > INT64_MAX) {
      fail(where, "shape " + field("shape").to_text(), "sizes of a tensor that fits the file");
    }
    bytes *= static_cast<uint64_t>(n);
    entry.shape.push_back(n);
  }
  const List& range = field("data_offsets").as_list();
  if (range.size() != 2) fail(where, "data_offsets " + Value(range).to_text(), "two offsets");
  int64_t begin = range[0].as_int(), end = range[1].as_int();
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
void check_tiling(std::vector<Entry>& entries, uint64_t data_bytes, const std::string& name) {
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
    return std::tie(a.begin, a.end) < std::tie(b.begin, b.end);
  });
  uint64_t place = 0;
  for (const Entry& entry : entries) {
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

SafetensorsFile parse_safetensors(std::string_view bytes, const std::string& name) {
  uint64_t header_length = read_header_length(bytes, name);
  std::string_view data = bytes.substr(8 + header_length);
  Value header = parse_json(bytes.substr(8, header_length), name + ": header");
  SafetensorsFile file;
  std::vector<Entry> entries;
  if (!header.is_table()) fail(name, "a header that is a " + header.type_name(), "a table");
  for (const auto& [key, value] : header.as_table()) {
    if (key == "__metadata__") {
      for (const auto& [meta_key, text] : value.as_table())
        file.metadata[meta_key] = text.as_string();
    } else {
      entries.push_back(read_entry(key, value, data.size(), name));
    }
  }
  check_tiling(entries, data.size(), name);
  for (const Entry& entry : entries) {
    Tensor tensor = at::empty(entry.shape, entry.dtype->dtype);
    if (entry.dtype->dtype == at::kBool) {
      // Any byte but 0 and 1 in a bool is undefined behaviour in C++.
      const char* source = data.data() + entry.begin;
      for (uint64_t i = 0; i < entry.end - entry.begin; ++i) {
        static_cast<uint8_t*>(tensor.data_ptr())[i] = source[i] != 0;
      }
    } else if (entry.end > entry.begin) {
      std::memcpy(tensor.data_ptr(), data.data() + entry.begin, entry.end - entry.begin);
    }
    file.tensors[entry.name] = tensor;
  }
  return file;
}

SafetensorsFile read_safetensors(const std::string& path) {
  MappedFile file(path);
  return parse_safetensors(file.bytes(), path);
}

std::string write_safetensors(const std::string& path, const std::map<std::string, Tensor>& tensors,
                              const std::map<std::string, std::string>& metadata) {
  struct Item {
    const std::string* name;
    const Tensor* tensor;
    const FileDtype* dtype;
  };
  std::vector<Item> items;
  for (const auto& [name, tensor] : tensors) {
    if (!tensor.defined()) fail(path + ": tensor '" + name + "'", "no tensor", "a tensor");
    items.push_back({&name, &tensor, &find_dtype(tensor.scalar_type(), path + ": " + name)});
  }
  // Widest elements first: every tensor then lies aligned to its element size.
  std::stable_sort(items.begin(), items.end(),
                   [](const Item& a, const Item& b) { return a.dtype->bytes > b.dtype->bytes; });
  Table header;
  uint64_t place = 0;
  for (const Item& item : items) {
    uint64_t end = place + static_cast<uint64_t>(item.tensor->numel()) * item.dtype->bytes;
    List shape;
    for (int64_t size : item.tensor->sizes()) shape.push_back(size);
    header[*item.name] =
        Table{{"dtype", item.dtype->name}, {"shape", shape}, {"data_offsets", List{place, end}}};
    place = end;
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

  AtomicFile file(path);
  file.write(length + text);
  for (const Item& item : items) {
    Tensor flat = item.tensor->detach().to(at::kCPU).contiguous();
    file.write({static_cast<const char*>(flat.data_ptr()), static_cast<size_t>(flat.nbytes())});
  }
  return file.commit();
}

}  // namespace rmkv
