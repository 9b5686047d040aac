// safetensors: round trips, the reference layout, and hostile files refused with a clear error.
#include <cstring>

#include "core/base/file.h"
#include "core/base/random.h"
#include "core/tensor/safetensors.h"
#include "core/tensor/torch.h"
#include "tests/catch.h"
#include "tests/temporary_folder.h"

using namespace rmkv;
using Catch::Matchers::Contains;

namespace {

std::string file_bytes(const std::string& header, const std::string& data) {
  std::string bytes;
  for (int i = 0; i < 8; ++i) bytes += static_cast<char>(header.size() >> (8 * i) & 0xFF);
  return bytes + header + data;
}

bool same_bits(const Tensor& a, const Tensor& b) {
  return a.scalar_type() == b.scalar_type() && a.sizes() == b.sizes() &&
         (a.numel() == 0 ||
          std::memcmp(a.contiguous().data_ptr(), b.contiguous().data_ptr(), a.nbytes()) == 0);
}

}  // namespace

TEST_CASE("every dtype and odd shapes survive a file") {
  TemporaryFolder folder;
  std::map<std::string, Tensor> tensors;
  for (auto dtype : {at::kFloat, at::kDouble, at::kHalf, at::kBFloat16, at::kLong, at::kInt,
                     at::kShort, at::kChar, at::kByte}) {
    tensors[std::string("of ") + c10::toString(dtype)] =
        (at::arange(21, at::kFloat) - 5).to(dtype).view({3, 7});
  }
  tensors["bool"] = at::arange(5) > 2;
  tensors["scalar"] = at::scalar_tensor(3.5);
  tensors["empty"] = at::empty({0, 4});
  tensors["strided"] = at::arange(12, at::kFloat).view({3, 4}).t();
  tensors["nan"] = at::full({2}, std::numeric_limits<float>::quiet_NaN());
  std::string hash =
      write_safetensors(folder / "x.safetensors", tensors, {{"format", "pt"}, {"ü", "\n"}});
  CHECK(hash == file_hash(folder / "x.safetensors"));
  SafetensorsFile file = read_safetensors(folder / "x.safetensors");
  CHECK(file.tensors.size() == tensors.size());
  for (const auto& [name, tensor] : tensors) {
    INFO(name);
    CHECK(same_bits(file.tensors.at(name), tensor));
  }
  CHECK(file.metadata == std::map<std::string, std::string>{{"format", "pt"}, {"ü", "\n"}});
  std::string bytes = read_file(folder / "x.safetensors");
  write_safetensors(folder / "y.safetensors", file.tensors, file.metadata);
  CHECK(read_file(folder / "y.safetensors") == bytes);
}

TEST_CASE("the layout is the reference's") {
  TemporaryFolder folder;
  write_safetensors(folder / "x", {{"a", at::tensor({1.0f})}, {"b", at::tensor({int64_t{2}})}});
  std::string bytes = read_file(folder / "x");
  // Widest first, header padded with blanks to 8 bytes: what Hugging Face's writer does.
  std::string header =
      R"({"a":{"data_offsets":[8,12],"dtype":"F32","shape":[1]},"b":{"data_offsets":[0,8],"dtype":"I64","shape":[1]}})";
  header.append((8 - header.size() % 8) % 8, ' ');
  std::string data("\2\0\0\0\0\0\0\0\0\0\x80\x3f", 12);
  CHECK(bytes == file_bytes(header, data));
}

TEST_CASE("what cannot be stored is refused, and nothing is written") {
  TemporaryFolder folder;
  CHECK_THROWS_WITH(write_safetensors(folder / "x", {{"a", Tensor()}}),
                    Contains("'a'") && Contains("no tensor"));
  CHECK_THROWS_AS(write_safetensors(folder / "x", {{"a", at::zeros({1}, at::kComplexFloat)}}),
                  Error);
  CHECK(list_folder(folder.path()).empty());
}

TEST_CASE("hostile headers are refused before anything is allocated") {
  auto refused = [](const std::string& bytes, const std::string& text) {
    INFO(text);
    CHECK_THROWS_WITH(parse_safetensors(bytes, "f"), Contains(text));
  };
  auto entry = [](const std::string& dtype, const std::string& shape, const std::string& range) {
    return R"({"a":{"dtype":")" + dtype + R"(","shape":)" + shape + R"(,"data_offsets":)" + range +
           "}}";
  };
  std::string four(4, 'x');
  CHECK_NOTHROW(parse_safetensors(file_bytes(entry("F32", "[1]", "[0,4]"), four), "f"));
  refused("", "0 bytes");
  refused(std::string(8, '\xff'), "a header of 18446744073709551615 bytes");
  refused(std::string("\x09\0\0\0\0\0\0\0{}", 10), "a header of 9 bytes");
  refused(file_bytes("[]", ""), "expected a table");
  refused(file_bytes("{", ""), "not valid JSON");
  refused(file_bytes(entry("F32", "[1]", "[0,8]"), four), "a range within 4 bytes");
  refused(file_bytes(entry("F32", "[1]", "[4,0]"), four), "a range within 4 bytes");
  refused(file_bytes(entry("F32", "[1]", "[-4,0]"), four), "a range within 4 bytes");
  refused(file_bytes(entry("F32", "[1]", "[0,1e300]"), four), "an integer");
  refused(file_bytes(entry("F32", "[2]", "[0,4]"), four), "expected 8 bytes");
  refused(file_bytes(entry("F32", "[-1]", "[0,4]"), four), "shape [-1]");
  refused(file_bytes(entry("F32", "[4611686018427387904,4]", "[0,0]"), ""), "shape");
  refused(file_bytes(entry("F32", "[0,4611686018427387904,4]", "[0,0]"), ""), "shape");
  refused(file_bytes(entry("F32", "[1152921504606846976]", "[0,4]"), four),
          "4611686018427387904 bytes");
  refused(file_bytes(entry("F33", "[1]", "[0,4]"), four), "did you mean 'F32'");
  refused(file_bytes(entry("F32", "\"x\"", "[0,4]"), four), "a list");
  refused(file_bytes(entry("F32", "[1]", "[0]"), four), "two offsets");
  refused(file_bytes(R"({"a":{"dtype":"F32","shape":[1]}})", four),
          "dtype, shape and data_offsets");
  refused(file_bytes(R"({"a":7})", ""), "dtype, shape and data_offsets");
  // Values of another kind are told with their place.
  refused(file_bytes(entry("F32", "[2.3]", "[0,4]"), four), "tensor 'a' shape: ");
  refused(file_bytes(entry("F32", "[1]", "[0,4.5]"), four), "tensor 'a' data_offsets: ");
  refused(file_bytes(R"({"__metadata__":{"x":1}})", ""), "__metadata__: ");
  refused(file_bytes(R"({"__metadata__":{"x":1}})", ""), "a string");
  refused(file_bytes("{}", four), "4 bytes of data");
  std::string twice = entry("F32", "[1]", "[0,4]");
  twice.back() = ',';
  refused(file_bytes(twice + twice.substr(1, twice.size() - 2) + "}", four), "'a' twice");
  std::string deep;
  for (int i = 0; i < 70; ++i) deep += i ? ",1" : "1";
  refused(file_bytes(entry("F32", "[" + deep + "]", "[0,4]"), four), "70 dimensions");
  // Two tensors that overlap, and two with a hole between them.
  std::string pair =
      R"({"a":{"dtype":"U8","shape":[3],"data_offsets":[0,3]},"b":{"dtype":"U8","shape":[2],"data_offsets":)";
  refused(file_bytes(pair + "[2,4]}}", four), "no holes, no overlap");
  refused(file_bytes(pair + "[4,6]}}", four + "yz"), "no holes, no overlap");
}

TEST_CASE("bools other than 0 and 1 are made valid") {
  std::string bytes = file_bytes(R"({"a":{"dtype":"BOOL","shape":[3],"data_offsets":[0,3]}})",
                                 std::string("\0\1\xfe", 3));
  CHECK(parse_safetensors(bytes, "f").tensors.at("a").equal(at::tensor({0, 1, 1}) > 0));
}

TEST_CASE("mutated files are read whole or refused, never crash") {
  TemporaryFolder folder;
  write_safetensors(
      folder / "x",
      {{"a", at::arange(6, at::kFloat).view({2, 3})}, {"b", at::ones({3}, at::kBool)}},
      {{"format", "pt"}});
  std::string whole = read_file(folder / "x");
  constexpr uint64_t kSeed = 11;
  INFO("seed " << kSeed);
  int read = 0, refused = 0;
  for (uint64_t round = 0; round < 20000; ++round) {
    RandomStream random(kSeed, "mutation", round);
    std::string bytes = whole;
    for (uint64_t n = 1 + random.below(4); n > 0; --n) {
      size_t place = random.below(bytes.size());
      switch (random.below(4)) {
        case 0:
          bytes[place] = static_cast<char>(random.next());
          break;
        case 1:
          bytes.resize(place + 1);
          break;
        case 2:
          bytes.insert(place, bytes.substr(random.below(bytes.size()), random.below(16)));
          break;
        default:
          bytes.replace(place, 1, std::string(1, "0123456789[]{},:\"-"[random.below(18)]));
      }
    }
    INFO("round " << round);
    try {
      SafetensorsFile file = parse_safetensors(bytes, "f");
      int64_t total = 0;
      for (const auto& tensor : file.tensors) total += static_cast<int64_t>(tensor.second.nbytes());
      REQUIRE(total <= static_cast<int64_t>(bytes.size()));
      ++read;
    } catch (const Error&) {
      ++refused;  // any other exception fails the test
    }
  }
  CHECK(read > 100);  // changes of data and names are no damage of the form
  CHECK(refused > 1000);
}

TEST_CASE("tensors may lie in the file's memory as long as its owner lives") {
  const TemporaryFolder folder;
  const std::string path = folder / "t.safetensors";
  write_safetensors(path, {{"a", at::arange(5, at::kFloat)}, {"b", at::tensor({1, 0}) > 0}});
  auto owner = std::make_shared<const MappedFile>(path);
  const std::string_view bytes = owner->bytes();
  SafetensorsFile file = parse_safetensors(bytes, path, owner);
  const auto* place = static_cast<const char*>(file.tensors.at("a").const_data_ptr());
  CHECK((place >= bytes.data() && place < bytes.data() + bytes.size()));
  const std::weak_ptr<const MappedFile> watched = owner;
  owner.reset();
  CHECK(file.tensors.at("a").equal(at::arange(5, at::kFloat)));
  CHECK(file.tensors.at("b").equal(at::tensor({1, 0}) > 0));
  file.tensors.clear();
  CHECK(watched.expired());
}
