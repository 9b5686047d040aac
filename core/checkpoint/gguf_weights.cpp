// GGUF: header, key-value pairs, tensor table, padding, aligned data.
//
// Source: ggml, docs/gguf.md; inference-ecosystem.md, section 3.2.  Of the metadata the scalars and
// short strings are kept; arrays (vocabularies) are walked over.
#include <algorithm>
#include <cmath>

#include "core/checkpoint/byte_cursor.h"
#include "core/checkpoint/gguf_format.h"
#include "core/checkpoint/stored_weights.h"
#include "core/tensor/tensor.h"

namespace rmkv {

namespace {

constexpr uint64_t kMaxEntries = 1 << 20, kMaxNameBytes = 1 << 16, kMaxKeptText = 1 << 12;
constexpr int kMaxNesting = 4;

class Reader {
 public:
  Reader(std::string_view bytes, const ByteOwner& owner, const std::string& name)
      : bytes_(bytes), owner_(owner), name_(name), cursor_(bytes, name) {}

  StoredWeights read() {
    const uint64_t tensors = read_header();
    std::vector<Info> infos;
    for (uint64_t i = 0; i < tensors; ++i) infos.push_back(read_info());
    place_data(infos);
    return std::move(stored_);
  }

 private:
  struct Info {
    std::string name;
    WeightTensor weight;
    uint64_t offset, bytes;  // from the start of the data
  };

  uint64_t read_header() {
    if (cursor_.number<uint32_t>("the magic number") != kGgufMagic) {
      fail(name_, "another magic number", "a GGUF file");
    }
    const auto version = cursor_.number<uint32_t>("the version");
    if (version != 2 && version != 3) {
      fail(name_ + ": version", std::to_string(version), "2 or 3",
           version == 0x02000000 || version == 0x03000000 ? "this is a big-endian file" : "");
    }
    const uint64_t tensors = count_field("tensors"), pairs = count_field("metadata entries");
    stored_.format = "gguf";
    for (uint64_t i = 0; i < pairs; ++i) read_pair();
    return tensors;
  }

  uint64_t count_field(const char* what) {
    const auto count = cursor_.number<uint64_t>(what);
    // Each takes more than a byte of the file.
    if (count > kMaxEntries || count > cursor_.left()) {
      fail(name_, std::to_string(count) + " " + what, "as many as the file can hold");
    }
    return count;
  }

  std::string_view text(const char* field, uint64_t limit) {
    const auto length = cursor_.number<uint64_t>(field);
    if (length > limit) {
      fail(name_ + ": byte " + std::to_string(cursor_.place()),
           "a " + std::string(field) + " of " + std::to_string(length) + " bytes",
           "at most " + std::to_string(limit));
    }
    return cursor_.take(length, field);
  }

  std::string name_text(const char* field) {
    const std::string_view found = text(field, kMaxNameBytes);
    for (const char c : found) {
      if (c <= ' ' || c > '~') {
        fail(name_ + ": byte " + std::to_string(cursor_.place()),
             "a " + std::string(field) + " that is no plain text", "printable ASCII");
      }
    }
    return std::string(found);
  }

  void read_pair() {
    const std::string key = name_text("metadata key");
    Value value = read_value(cursor_.number<uint32_t>("a metadata type"), key, 0);
    if (seen_.count(key)) fail(name_, "metadata '" + key + "' twice", "each key once");
    seen_[key] = true;
    if (!value.is_nil()) stored_.metadata[key] = std::move(value);
  }

  template <typename T>
  Value integer() {
    return static_cast<int64_t>(cursor_.number<T>("a metadata value"));
  }

  Value read_value(uint32_t type, const std::string& key, int depth) {
    switch (static_cast<GgufValue>(type)) {
      case GgufValue::kUint8:
        return integer<uint8_t>();
      case GgufValue::kInt8:
        return integer<int8_t>();
      case GgufValue::kUint16:
        return integer<uint16_t>();
      case GgufValue::kInt16:
        return integer<int16_t>();
      case GgufValue::kUint32:
        return integer<uint32_t>();
      case GgufValue::kInt32:
        return integer<int32_t>();
      case GgufValue::kUint64:
      case GgufValue::kInt64:
        return integer<int64_t>();
      case GgufValue::kFloat32:
        return static_cast<double>(cursor_.number<float>("a metadata value"));
      case GgufValue::kFloat64:
        return cursor_.number<double>("a metadata value");
      case GgufValue::kBool: {
        const auto truth = cursor_.number<uint8_t>("a metadata value");
        if (truth > 1) fail(name_ + ": metadata '" + key + "'", std::to_string(truth), "0 or 1");
        return truth == 1;
      }
      case GgufValue::kString: {
        const std::string_view found = text("metadata string", cursor_.left());
        return found.size() <= kMaxKeptText ? Value(std::string(found)) : Value();
      }
      case GgufValue::kArray:
        skip_array(key, depth);
        return {};
    }
    fail(name_ + ": metadata '" + key + "'", "type " + std::to_string(type), "0 .. 12");
  }

  void skip_array(const std::string& key, int depth) {
    if (depth == kMaxNesting) {
      fail(name_ + ": metadata '" + key + "'", "arrays in arrays", "at most 4 deep");
    }
    const auto type = cursor_.number<uint32_t>("an array's type");
    const auto count = cursor_.number<uint64_t>("an array's length");
    if (count > cursor_.left()) {
      fail(name_ + ": metadata '" + key + "'", "an array of " + std::to_string(count),
           "one that the file can hold");
    }
    for (uint64_t i = 0; i < count; ++i) read_value(type, key, depth + 1);
  }

  Info read_info() {
    Info info;
    info.name = name_text("tensor name");
    const std::string where = name_ + ": tensor '" + info.name + "'";
    const auto dims = cursor_.number<uint32_t>("a dimension count");
    if (dims < 1 || dims > 4) fail(where, std::to_string(dims) + " dimensions", "1 .. 4");
    WeightTensor& weight = info.weight;
    weight.shape.resize(dims);
    int64_t count = 1;
    for (size_t i = dims; i-- > 0;) {
      const auto size = cursor_.number<uint64_t>("a size");
      weight.shape[i] = static_cast<int64_t>(std::min<uint64_t>(size, INT64_MAX));
      if (size < 1 || size > INT64_MAX || __builtin_mul_overflow(count, weight.shape[i], &count)) {
        fail(where, "size " + std::to_string(size), "positive sizes of a tensor in the file");
      }
    }
    weight.type = gguf_weight_type(cursor_.number<uint32_t>("a data type"), where);
    info.offset = cursor_.number<uint64_t>("an offset");
    if (is_quantized(weight.type) && weight.columns() % kBlockValues != 0) {
      fail(where, weight_text(weight), "rows of a multiple of 32 values");
    }
    // No type packs more than two values into a byte.
    if (static_cast<uint64_t>(count) / 2 > bytes_.size()) {
      fail(where, weight_text(weight), "a tensor that fits the file");
    }
    info.bytes = bytes_of_row(weight.type, weight.columns()) * static_cast<uint64_t>(weight.rows());
    return info;
  }

  uint64_t alignment() const {
    const Value* given = find(stored_.metadata, "general.alignment");
    if (!given) return kGgufAlignment;
    const int64_t value = given->is_int() ? given->as_int() : 0;
    if (value < 8 || value > 1 << 20 || (value & (value - 1)) != 0) {
      fail(name_ + ": general.alignment", given->to_text(), "a power of two from 8 to 2^20");
    }
    return static_cast<uint64_t>(value);
  }

  void place_data(std::vector<Info>& infos) {
    const uint64_t step = alignment();
    const uint64_t begin = (cursor_.place() + step - 1) / step * step;
    if (!infos.empty() && begin > bytes_.size()) {
      fail(name_, "no data", "tensors", "the file is cut short");
    }
    const uint64_t size = bytes_.size() - std::min<uint64_t>(begin, bytes_.size());
    std::stable_sort(infos.begin(), infos.end(),
                     [](const Info& a, const Info& b) { return a.offset < b.offset; });
    uint64_t end = 0;
    for (Info& info : infos) {
      const std::string where = name_ + ": tensor '" + info.name + "'";
      if (info.offset % step != 0 || info.offset < end) {
        fail(where, "data at " + std::to_string(info.offset),
             "a multiple of " + std::to_string(step) + " behind the data before it");
      }
      if (info.offset > size || info.bytes > size - info.offset) {
        fail(where, std::to_string(size) + " bytes of data",
             std::to_string(info.bytes) + " at " + std::to_string(info.offset),
             "the file is cut short or damaged");
      }
      end = info.offset + info.bytes;
      info.weight.data = reinterpret_cast<const uint8_t*>(bytes_.data()) + begin + info.offset;
      info.weight.owner = owner_;
      if (!stored_.weights.emplace(info.name, std::move(info.weight)).second) {
        fail(name_, "tensor '" + info.name + "' twice", "each name once");
      }
    }
  }

  std::string_view bytes_;
  const ByteOwner& owner_;
  const std::string& name_;
  ByteCursor cursor_;
  StoredWeights stored_;
  std::map<std::string, bool> seen_;
};

}  // namespace

WeightType gguf_weight_type(uint32_t number, const std::string& where) {
  for (const GgufType& known : kGgufTypes) {
    if (number == known.number) return known.type;
  }
  fail(where, "data type " + std::to_string(number),
       "F32, F16, BF16, Q4_0, Q4_1, Q5_0, Q5_1 or Q8_0",
       number >= 10 && number <= 15 ? "this is a K-quant; take the Q8_0 or F16 file of the model"
                                    : "");
}

StoredWeights parse_gguf_weights(std::string_view bytes, const ByteOwner& owner,
                                 const std::string& name) {
  return Reader(bytes, owner, name).read();
}

}  // namespace rmkv
