// rwkv.cpp's format: six numbers, then records of dims, name and data up to the end of the file.
//
// Source: rwkv.cpp, docs/FILE_FORMAT.md; rwkv-family.md, section 4.1.
#include <map>

#include "core/checkpoint/byte_cursor.h"
#include "core/checkpoint/ggmf_format.h"
#include "core/checkpoint/stored_weights.h"
#include "core/tensor/tensor.h"

namespace rmkv {

namespace {

constexpr int64_t kMaxVocabulary = 1 << 24, kMaxChannels = 1 << 16, kMaxLayers = 1024;
constexpr int64_t kMaxNameBytes = 256, kMaxTensors = 1 << 16;

WeightType weight_type(int32_t type, const std::string& where) {
  for (const GgmfType& known : kGgmfTypes) {
    if (type == known.number) return known.type;
  }
  const bool removed = type >= 4 && type <= 6;
  fail(where, "data type " + std::to_string(type) + (removed ? " (Q4_1_O, Q4_2 or Q4_3)" : ""),
       "0 F32, 1 F16, 2 Q4_0, 3 Q4_1, 7 Q5_0, 8 Q5_1 or 9 Q8_0",
       removed ? "rwkv.cpp removed these types; convert the original .pth again" : "");
}

std::string tensor_name(ByteCursor& cursor, int64_t length, const std::string& where) {
  const std::string_view text = cursor.take(static_cast<uint64_t>(length), "a tensor's name");
  for (const char c : text) {
    // Names are printed and compared; anything else is a sign of a misread record.
    if (c <= ' ' || c > '~')
      fail(where, "a name that is no plain text", "letters, digits, . and _");
  }
  return std::string(text);
}

WeightTensor read_record(ByteCursor& cursor, const std::string& file, int64_t index,
                         std::string& name) {
  std::string where = file + ": tensor " + std::to_string(index);
  const int64_t dims = cursor.number_within(cursor.number<int32_t>("a dimension count"), 1, 3,
                                            where + " dimensions");
  const int64_t name_length = cursor.number_within(cursor.number<int32_t>("a name length"), 1,
                                                   kMaxNameBytes, where + " name length");
  const auto type = cursor.number<int32_t>("a data type");
  WeightTensor weight;
  weight.shape.resize(static_cast<size_t>(dims));
  // Fastest dimension first.
  for (size_t i = weight.shape.size(); i-- > 0;) weight.shape[i] = cursor.number<int32_t>("a size");
  name = tensor_name(cursor, name_length, where);
  where = file + ": tensor '" + name + "'";
  weight.type = weight_type(type, where);
  int64_t count = 1;
  for (const int64_t size : weight.shape) {
    if (size < 1 || __builtin_mul_overflow(count, size, &count)) {
      fail(where, "shape " + shape_text(weight.shape), "positive sizes of a tensor in the file");
    }
  }
  if (is_quantized(weight.type) && weight.columns() % kBlockValues != 0) {
    fail(where, weight_text(weight), "rows of a multiple of 32 values");
  }
  uint64_t bytes = 0;
  if (__builtin_mul_overflow(bytes_of_row(weight.type, weight.columns()),
                             static_cast<uint64_t>(weight.rows()), &bytes) ||
      bytes > cursor.left()) {
    fail(where, std::to_string(cursor.left()) + " bytes left of the file",
         "the data of " + weight_text(weight), "the file is cut short or damaged");
  }
  weight.data = reinterpret_cast<const uint8_t*>(cursor.take(bytes, "data").data());
  return weight;
}

void check_embedding(const StoredWeights& stored, const std::string& name, int64_t vocabulary,
                     int64_t channels) {
  auto found = stored.weights.find("emb.weight");
  if (found == stored.weights.end()) fail(name, "no tensor 'emb.weight'", "an RWKV model");
  if (found->second.shape != std::vector<int64_t>{vocabulary, channels}) {
    fail(name + ": tensor 'emb.weight'", shape_text(found->second.shape),
         "[" + std::to_string(vocabulary) + ", " + std::to_string(channels) +
             "], as the file's header says");
  }
}

}  // namespace

StoredWeights parse_ggmf_weights(std::string_view bytes, const ByteOwner& owner,
                                 const std::string& name) {
  ByteCursor cursor(bytes, name);
  if (cursor.number<uint32_t>("the magic number") != kGgmfMagic) {
    fail(name, "another magic number", "an rwkv.cpp file (ggmf)");
  }
  const auto version = cursor.number<int32_t>("the version");
  if (version != 100 && version != 101) {
    fail(name + ": version", std::to_string(version), "100 or 101");
  }
  const int64_t vocabulary = cursor.number_within(cursor.number<int32_t>("the vocabulary size"), 1,
                                                  kMaxVocabulary, "vocabulary");
  const int64_t channels =
      cursor.number_within(cursor.number<int32_t>("the width"), 1, kMaxChannels, "width");
  const int64_t layers =
      cursor.number_within(cursor.number<int32_t>("the layer count"), 1, kMaxLayers, "layers");
  const WeightType type = weight_type(cursor.number<int32_t>("the data type"), name);
  if (version == 100 && is_quantized(type)) {
    fail(name, std::string(weight_type_name(type)) + " in version 100", "version 101",
         "old quantised files have another block layout; quantise the model again");
  }
  StoredWeights stored;
  stored.format = "ggmf";
  while (cursor.left() > 0) {
    if (stored.weights.size() == kMaxTensors) fail(name, "more than 65536 tensors", "fewer");
    std::string key;
    WeightTensor weight =
        read_record(cursor, name, static_cast<int64_t>(stored.weights.size()), key);
    weight.owner = owner;
    if (!stored.weights.emplace(key, std::move(weight)).second) {
      fail(name, "tensor '" + key + "' twice", "each name once");
    }
  }
  check_embedding(stored, name, vocabulary, channels);
  const std::string last = "blocks." + std::to_string(layers - 1) + ".ln1.weight";
  const std::string beyond = "blocks." + std::to_string(layers) + ".ln1.weight";
  if (!stored.weights.count(last) || stored.weights.count(beyond)) {
    fail(name, "other blocks than its header says", std::to_string(layers) + " layers");
  }
  stored.metadata = Table{{"version", int64_t{version}}, {"type", weight_type_name(type)}};
  return stored;
}

}  // namespace rmkv
