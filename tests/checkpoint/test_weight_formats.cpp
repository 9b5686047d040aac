// The binary formats of model files: what they hold, and hostile ones refused by name.
#include <fcntl.h>
#include <unistd.h>

#include "core/base/error.h"
#include "core/base/file.h"
#include "core/base/json.h"
#include "core/base/random.h"
#include "core/checkpoint/stored_weights.h"
#include "core/tensor/safetensors.h"
#include "tests/catch.h"
#include "tests/checkpoint/model_bytes.h"
#include "tests/temporary_folder.h"

using namespace rmkv;
using namespace rmkv::test;
using Catch::Matchers::Contains;

namespace {

// A view owns nothing: the test keeps the bytes.
StoredWeights parse(const std::string& bytes) {
  return parse_stored_weights(bytes, nullptr, "m.bin");
}

void refused(const std::string& bytes, const std::string& text) {
  INFO(text);
  CHECK_THROWS_WITH(parse(bytes), Contains("m.bin") && Contains(text));
}

std::string small_ggmf(const std::string& more = "") {
  return ggmf_header(101, 3, 2, 1, 0) +
         ggmf_record("emb.weight", {3, 2}, 0, floats({1, 2, 3, 4, 5, 6})) +
         ggmf_record("blocks.0.ln1.weight", {2}, 0, floats({7, 8})) + more;
}

std::string small_gguf() {
  return gguf_file(
      {gguf_pair("general.architecture", 8, gguf_text("rwkv7")),
       gguf_pair("x.flag", 7, std::string(1, '\1')), gguf_pair("x.rate", 6, floats({0.5f})),
       gguf_pair("x.list", 9, little(5, 4) + little(2, 8) + little(1, 4) + little(2, 4))},
      {{"a", at::arange(6, at::kFloat).view({2, 3})},
       {"b", at::arange(4, at::kFloat).to(at::kHalf)}});
}

// Every shorter file is refused, and none crashes; under a sanitizer this is the point.
void check_truncations(const std::string& whole) {
  for (size_t length = 0; length < whole.size(); ++length) {
    CHECK_THROWS_AS(parse(whole.substr(0, length)), Error);
  }
}

void check_mutations(const std::string& whole, const std::string& what) {
  constexpr uint64_t kSeed = 3;
  INFO("seed " << kSeed << " " << what);
  int read = 0, refusals = 0;
  for (uint64_t round = 0; round < 5000; ++round) {
    RandomStream random(kSeed, what, round);
    std::string bytes = whole;
    for (uint64_t n = 1 + random.below(4); n > 0; --n) {
      bytes[random.below(bytes.size())] = static_cast<char>(random.next());
    }
    try {
      for (const auto& [name, weight] : parse(bytes).weights) weight.to_float();
      ++read;
    } catch (const Error&) {
      ++refusals;
    }
  }
  CHECK(read > 0);
  CHECK(refusals > 1000);
}

}  // namespace

TEST_CASE("formats are told apart by content", "[formats]") {
  CHECK(detect_weight_format(small_ggmf()) == "ggmf");
  CHECK(detect_weight_format(small_gguf()) == "gguf");
  CHECK(detect_weight_format(some_pt_file()) == "pth");
  CHECK(detect_weight_format("") == "");
  refused("", "an empty file");
  refused("hello", "another kind of file");
  TemporaryFolder folder;
  write_safetensors(folder / "x", {{"a", at::ones({2})}});
  CHECK(detect_weight_format(read_file(folder / "x")) == "safetensors");
  // Whatever the name says.
  write_file_atomic(folder / "model.gguf", small_ggmf());
  CHECK(read_stored_weights(folder / "model.gguf").format == "ggmf");
}

TEST_CASE("ggmf records come out as they lie", "[formats]") {
  const std::string block = std::string("\x00\x3c", 2) + std::string(16, '\x99');
  const std::string bytes = small_ggmf(ggmf_record("q", {1, 32}, 2, block) +
                                       ggmf_record("h", {2}, 1, little(0x3c00, 2) + little(0, 2)));
  const StoredWeights stored = parse(bytes);
  CHECK(stored.format == "ggmf");
  CHECK(stored.weights.size() == 4);
  CHECK(at::equal(stored.weights.at("emb.weight").to_float(),
                  at::arange(1, 7, at::kFloat).view({3, 2})));
  CHECK(stored.weights.at("q").type == WeightType::Q4_0);
  CHECK(at::equal(stored.weights.at("q").to_float(), at::ones({1, 32})));  // (9 - 8) * 1
  CHECK(stored.weights.at("h").type == WeightType::F16);
  CHECK(find(stored.metadata, "version")->as_int() == 101);
  // Nothing is copied.
  const auto* data = reinterpret_cast<const char*>(stored.weights.at("emb.weight").data);
  CHECK(data > bytes.data());
  CHECK(data < bytes.data() + bytes.size());
  check_truncations(small_ggmf());
  check_mutations(bytes, "ggmf");
}

TEST_CASE("hostile ggmf files are refused by name", "[formats]") {
  const std::string emb = ggmf_record("emb.weight", {3, 2}, 0, std::string(24, 'x'));
  const auto with = [&](const std::string& record) { return small_ggmf(record); };
  refused(ggmf_header(99, 3, 2, 1, 0) + emb, "version: got 99");
  refused(ggmf_header(101, -3, 2, 1, 0) + emb, "vocabulary: got -3");
  refused(ggmf_header(101, 3, 0, 1, 0) + emb, "width: got 0");
  refused(ggmf_header(101, 3, 2, 1 << 30, 0) + emb, "layers: got 1073741824");
  refused(ggmf_header(101, 3, 2, 1, 77) + emb, "data type 77");
  refused(ggmf_header(101, 3, 2, 1, 5) + emb, "removed these types");
  refused(ggmf_header(100, 3, 2, 1, 8) + emb, "version 100");
  refused(ggmf_header(101, 3, 2, 1, 0), "no tensor 'emb.weight'");
  refused(ggmf_header(101, 4, 2, 1, 0) + emb, "'emb.weight'");
  refused(ggmf_header(101, 3, 2, 1, 0) + emb, "other blocks than its header says");
  refused(with(emb), "tensor 'emb.weight' twice");
  refused(with(ggmf_record("w", {}, 0, "")), "dimensions: got 0");
  refused(with(ggmf_record("w", {1, 1, 1, 1}, 0, "1234")), "dimensions: got 4");
  refused(with(ggmf_record("", {1}, 0, "1234")), "name length: got 0");
  refused(with(ggmf_record(std::string(300, 'n'), {1}, 0, "1234")), "name length: got 300");
  refused(with(ggmf_record("a\nb", {1}, 0, "1234")), "no plain text");
  refused(with(ggmf_record("w", {-1}, 0, "1234")), "'w'");
  refused(with(ggmf_record("w", {0}, 0, "1234")), "shape [0]");
  refused(with(ggmf_record("w", {2}, 0, "1234")), "cut short");
  refused(with(ggmf_record("w", {INT32_MAX, INT32_MAX, INT32_MAX}, 0, "1234")), "'w'");
  refused(with(ggmf_record("w", {1 << 30, 1 << 30}, 0, "1234")), "'w'");
  refused(with(ggmf_record("w", {48}, 8, std::string(48, 'x'))), "multiple of 32");
  refused(with(ggmf_record("w", {1}, 12, "1234")), "data type 12");
}

TEST_CASE("GGUF tensors and metadata come out as they lie", "[formats]") {
  const std::string bytes = small_gguf();
  const StoredWeights stored = parse(bytes);
  CHECK(at::equal(stored.weights.at("a").to_float(), at::arange(6, at::kFloat).view({2, 3})));
  CHECK(stored.weights.at("b").type == WeightType::F16);
  CHECK(find(stored.metadata, "general.architecture")->as_string() == "rwkv7");
  CHECK(find(stored.metadata, "x.flag")->as_bool());
  CHECK(find(stored.metadata, "x.rate")->as_double() == 0.5);
  CHECK(find(stored.metadata, "x.list") == nullptr);
  check_truncations(bytes.substr(0, bytes.size() - 24));  // the last 24 bytes pad
  check_mutations(bytes, "gguf");
}

TEST_CASE("hostile GGUF files are refused by name", "[formats]") {
  const auto head = [](uint64_t version, uint64_t tensors, uint64_t pairs) {
    return "GGUF" + little(version, 4) + little(tensors, 8) + little(pairs, 8);
  };
  const auto one = [&](const std::string& info, size_t data) {
    return padded(head(3, 1, 0) + info) + std::string(data, 'x');
  };
  CHECK_NOTHROW(parse(one(gguf_info("w", {2}, 0, 0), 8)));
  refused(head(1, 0, 0), "version: got 1");
  refused(head(0x03000000, 0, 0), "big-endian");
  refused(head(3, uint64_t{1} << 60, 0), "tensors");
  refused(head(3, 0, UINT64_MAX), "metadata entries");
  refused(head(3, 0, 1) + little(uint64_t{1} << 62, 8), "metadata key");
  refused(head(3, 0, 1) + gguf_pair("k", 13, ""), "type 13");
  refused(head(3, 0, 1) + gguf_pair("k", 7, "\x02"), "expected 0 or 1");
  refused(head(3, 0, 1) + gguf_pair("k", 8, little(UINT64_MAX, 8)), "metadata string");
  refused(head(3, 0, 1) + gguf_pair("k", 9, little(4, 4) + little(uint64_t{1} << 50, 8)),
          "an array of 1125899906842624");
  std::string nested = little(9, 4) + little(1, 8);
  for (int i = 0; i < 8; ++i) nested += nested.substr(0, 12);
  refused(head(3, 0, 1) + gguf_pair("k", 9, nested), "at most 4 deep");
  refused(head(3, 0, 2) + gguf_pair("k", 7, std::string(1, '\0')) +
              gguf_pair("k", 7, std::string(1, '\0')),
          "'k' twice");
  refused(one(gguf_info("w", {2}, 12, 0), 8), "K-quant");
  refused(one(gguf_info("w", {2}, 99, 0), 8), "data type 99");
  refused(one(gguf_info("w", {}, 0, 0), 8), "0 dimensions");
  refused(one(gguf_info("w", {1, 1, 1, 1, 1}, 0, 0), 8), "5 dimensions");
  refused(one(gguf_info("w", {0}, 0, 0), 8), "size 0");
  refused(one(gguf_info("w", {-1}, 0, 0), 8), "size 18446744073709551615");
  refused(one(gguf_info("w", {int64_t{1} << 40, int64_t{1} << 40}, 0, 0), 8), "'w'");
  refused(one(gguf_info("w", {33}, 8, 0), 64), "multiple of 32");
  refused(one(gguf_info("w", {2}, 0, 4), 64), "multiple of 32 behind");
  refused(one(gguf_info("w", {2}, 0, 32), 32), "cut short");
  refused(one(gguf_info("w", {2}, 0, UINT64_MAX - 31), 32), "cut short");
  refused(padded(head(3, 2, 0) + gguf_info("a", {9}, 0, 0) + gguf_info("b", {9}, 0, 32)) +
              std::string(128, 'x'),
          "behind the data before it");
  refused(padded(head(3, 2, 0) + gguf_info("a", {1}, 0, 0) + gguf_info("a", {1}, 0, 32)) +
              std::string(64, 'x'),
          "'a' twice");
  refused(padded(head(3, 0, 1) + gguf_pair("general.alignment", 4, little(24, 4))),
          "general.alignment");
}

TEST_CASE("a .pth's tensors are mapped; odd strides are copied", "[formats]") {
  const std::string bytes = some_pt_file();
  const StoredWeights stored = parse(bytes);
  const WeightTensor& weight = stored.weights.at("model.weight");
  CHECK(reinterpret_cast<const char*>(weight.data) > bytes.data());
  CHECK(reinterpret_cast<const char*>(weight.data) < bytes.data() + bytes.size());
  CHECK(at::equal(weight.to_float(), at::arange(1, 7, at::kFloat).view({2, 3})));
  CHECK(at::equal(stored.weights.at("model.turned").to_float(), weight.to_float().t()));
  CHECK(stored.weights.at("model.bias").to_float().item<float>() == 2);
  CHECK(find(stored.metadata, "name")->as_string() == "tiny");
  check_truncations(bytes);
}

TEST_CASE("shards are read through their index, and only as it says", "[formats]") {
  TemporaryFolder folder;
  const std::string index = folder / "model.safetensors.index.json";
  write_safetensors(folder / "1.safetensors", {{"a", at::ones({2})}});
  write_safetensors(folder / "2.safetensors", {{"b", at::zeros({3}, at::kHalf)}});
  const auto write_index = [&](const std::string& map) {
    write_file_atomic(index, R"({"metadata": {}, "weight_map": )" + map + "}");
  };
  write_index(R"({"a": "1.safetensors", "b": "2.safetensors"})");
  CHECK(read_stored_weights(index).weights.size() == 2);
  CHECK(read_stored_weights(folder.path()).weights.at("b").type == WeightType::F16);
  const auto index_refused = [&](const std::string& map, const std::string& text) {
    write_index(map);
    CHECK_THROWS_WITH(read_stored_weights(index), Contains(text));
  };
  index_refused(R"({"a": "1.safetensors", "c": "2.safetensors"})", "tensor 'b'");
  index_refused(R"({"a": "1.safetensors", "b": "2.safetensors", "c": "1.safetensors"})",
                "no tensor 'c'");
  index_refused(R"({"a": "2.safetensors", "b": "2.safetensors"})", "'a'");
  index_refused(R"({"a": "../1.safetensors"})", "a shard named '../1.safetensors'");
  index_refused(R"({"a": "3.safetensors"})", "3.safetensors");
  index_refused("7", "no weight_map");
}

namespace {

constexpr uint64_t kLarge = uint64_t{5} << 30;  // a hole of the file: takes no disk

// `head`, the hole, `tail`; "" where the file system has no holes.
std::string sparse_file(const std::string& path, const std::string& head, const std::string& tail) {
  const int file = ::open(path.c_str(), O_CREAT | O_RDWR, 0600);
  REQUIRE(file >= 0);
  const off_t end = static_cast<off_t>(head.size() + kLarge);
  bool whole = ::pwrite(file, head.data(), head.size(), 0) == static_cast<ssize_t>(head.size());
  whole =
      whole && ::pwrite(file, tail.data(), tail.size(), end) == static_cast<ssize_t>(tail.size());
  ::close(file);
  return whole ? path : "";
}

// An entry's header in front of its data, and its line in the directory, both with the zip64 extra
// field when the size or the offset asks for it.  Checksums are 0.
struct Zip64Entry {
  std::string name;
  uint64_t size, offset;

  std::string local() const {
    const bool large = size >= UINT32_MAX;
    const std::string extra =
        large ? little(1, 2) + little(16, 2) + little(size, 8) + little(size, 8) : "";
    return little(0x04034b50, 4) + little(45, 2) + little(0, 12) + sizes(large) +
           little(name.size(), 2) + little(extra.size(), 2) + name + extra;
  }
  std::string line() const {
    const bool large = size >= UINT32_MAX, far = offset >= UINT32_MAX;
    std::string fields;
    if (large) fields += little(size, 8) + little(size, 8);
    if (far) fields += little(offset, 8);
    const std::string extra =
        fields.empty() ? "" : little(1, 2) + little(fields.size(), 2) + fields;
    return little(0x02014b50, 4) + little(45, 2) + little(45, 2) + little(0, 12) + sizes(large) +
           little(name.size(), 2) + little(extra.size(), 2) + little(0, 10) +
           little(far ? UINT32_MAX : offset, 4) + name + extra;
  }

 private:
  std::string sizes(bool large) const {
    const std::string number = little(large ? UINT32_MAX : size, 4);
    return number + number;
  }
};

}  // namespace

TEST_CASE("a .pth of more than four gigabytes is a zip64 archive", "[formats]") {
  TemporaryFolder folder;
  const auto elements = static_cast<int64_t>(kLarge / 4);
  const std::string pickle = stream(
      dictionary({{"big", tensor(storage("FloatStorage", "0", elements), elements - 2, {2}, {1})},
                  {"last", tensor(storage("FloatStorage", "1", 2), 0, {2}, {1})}}));
  Zip64Entry data{"a/data.pkl", pickle.size(), 0};
  std::string head = data.local() + pickle;
  const Zip64Entry big{"a/data/0", kLarge, head.size()};
  head += big.local();
  const Zip64Entry last{"a/data/1", 8, head.size() + kLarge};
  std::string tail = last.local() + floats({1.5f, -2.5f});
  const std::string directory = data.line() + big.line() + last.line();
  const uint64_t at = head.size() + kLarge + tail.size(), end = at + directory.size();
  tail += directory;
  // The zip64 end record, its locator, and the old end record with everything out of its range.
  tail += little(0x06064b50, 4) + little(44, 8) + little(45, 2) + little(45, 2) + little(0, 8) +
          little(3, 8) + little(3, 8) + little(directory.size(), 8) + little(at, 8);
  tail += little(0x07064b50, 4) + little(0, 4) + little(end, 8) + little(1, 4);
  tail += little(0x06054b50, 4) + little(0, 4) + std::string(12, '\xff') + little(0, 2);
  const std::string path = sparse_file(folder / "large.pth", head, tail);
  if (path.empty()) {
    WARN("SKIPPED: no sparse files of 5 GB in " << folder.path());
    return;
  }
  const auto file = std::make_shared<const MappedFile>(path);
  // The checksum would read all of it.
  const StoredWeights stored = parse_pth_weights(file->bytes(), file, path, /*check_crc=*/false);
  CHECK(at::equal(stored.weights.at("last").to_float(), at::tensor({1.5f, -2.5f})));
  CHECK(at::equal(stored.weights.at("big").to_float(), at::zeros({2})));
  const auto* mapped = reinterpret_cast<const uint8_t*>(file->bytes().data());
  CHECK(stored.weights.at("big").data == mapped + head.size() + kLarge - 8);
  // A zip64 field that points beyond the file.
  for (const char* field : {"offset", "size"}) {
    Zip64Entry wrong = *field == 'o' ? last : big;
    (*field == 'o' ? wrong.offset : wrong.size) = uint64_t{1} << 60;
    const std::string bad = little(0x04034b50, 4) + wrong.line();
    const std::string archive =
        bad + little(0x06064b50, 4) + little(44, 8) + little(45, 2) + little(45, 2) + little(0, 8) +
        little(1, 8) + little(1, 8) + little(bad.size() - 4, 8) + little(4, 8) +
        little(0x07064b50, 4) + little(0, 4) + little(bad.size(), 8) + little(1, 4) +
        little(0x06054b50, 4) + little(0, 4) + std::string(12, '\xff') + little(0, 2);
    INFO(field);
    CHECK_THROWS_WITH(parse_pth_weights(archive, nullptr, "m.pth", false),
                      Contains("m.pth") && Contains("cut short"));
  }
}

TEST_CASE("tensors beyond the fourth gigabyte are reached", "[formats]") {
  TemporaryFolder folder;
  const auto sparse = [&](const std::string& name, const std::string& head,
                          const std::string& tail) {
    return sparse_file(folder / name, head, tail);
  };
  const std::string last = floats({1.5f, -2.5f});
  const int64_t rows = static_cast<int64_t>(kLarge / 4 / 1024);
  std::string json = R"({"big":{"dtype":"F32","shape":[)" + std::to_string(rows) +
                     R"(,1024],"data_offsets":[0,)" + std::to_string(kLarge) +
                     R"(]},"last":{"dtype":"F32","shape":[2],"data_offsets":[)" +
                     std::to_string(kLarge) + "," + std::to_string(kLarge + 8) + "]}}";
  json = padded(json + " ", 8);
  std::replace(json.begin(), json.end(), '\0', ' ');
  const std::vector<std::string> paths = {
      sparse("large.safetensors", little(json.size(), 8) + json, last),
      sparse("large.bin",
             ggmf_header(101, rows, 1024, 1, 0) + ggmf_record("emb.weight", {rows, 1024}, 0, ""),
             ggmf_record("blocks.0.ln1.weight", {2}, 0, last)),
      sparse("large.gguf",
             padded("GGUF" + little(3, 4) + little(2, 8) + little(0, 8) +
                    gguf_info("big", {rows, 1024}, 0, 0) + gguf_info("last", {2}, 0, kLarge)),
             last)};
  for (const std::string& path : paths) {
    if (path.empty()) {
      WARN("SKIPPED: no sparse files of 5 GB in " << folder.path());
      return;
    }
    const StoredWeights stored = read_stored_weights(path);
    const bool ggmf = stored.format == "ggmf";
    INFO(path);
    CHECK(at::equal(stored.weights.at(ggmf ? "blocks.0.ln1.weight" : "last").to_float(),
                    at::tensor({1.5f, -2.5f})));
    const WeightTensor& big = stored.weights.at(ggmf ? "emb.weight" : "big");
    CHECK(big.count() == rows * 1024);
    WeightTensor end = big;  // its last row, read where it lies
    end.data += big.size_bytes() - 4096;
    end.shape = {1024};
    CHECK(end.to_float().abs().max().item<float>() == 0);
  }
}
