// .pt files: hand-made ones, hostile ones, and those of the original program beside their
// safetensors.
#include "core/checkpoint/pt_file.h"

#include "core/base/error.h"
#include "core/tensor/safetensors.h"
#include "core/tensor/torch.h"
#include "tests/catch.h"
#include "tests/checkpoint/pt_bytes.h"
#include "tests/shared_data.h"

using namespace rmkv;
using Catch::Matchers::Contains;

TEST_CASE("tensors come out by path, other values as a table", "[pt]") {
  const PtFile file = parse_pt(some_pt_file(), "t.pt");
  REQUIRE(file.tensors.size() == 3);
  const Tensor& weight = file.tensors.at("model.weight");
  CHECK(at::equal(weight, at::arange(1, 7, at::kFloat).view({2, 3})));
  CHECK(at::equal(file.tensors.at("model.turned"), weight.t()));
  CHECK(file.tensors.at("model.turned").is_contiguous());
  CHECK(file.tensors.at("model.bias").scalar_type() == at::kHalf);
  CHECK(file.tensors.at("model.bias").item<float>() == 2);
  CHECK(find(file.rest, "step")->as_int() == 7);
  CHECK(find(file.rest, "name")->as_string() == "tiny");
}

TEST_CASE("other containers are refused by name", "[pt]") {
  CHECK_THROWS_WITH(
      parse_pt(stream("\x8a\x0al\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19"), "old.pth"),
      Contains("old.pth") && Contains("before version 1.6") && Contains("save it again"));
  CHECK_THROWS_WITH(parse_pt("\x89HDF", "t.pt"), Contains("no zip archive"));
  CHECK_THROWS_WITH(parse_pt("", "t.pt"), Contains("no zip archive"));
  CHECK_THROWS_WITH(parse_pt(stored_zip({{"a/b", "x"}}), "t.pt"), Contains("data.pkl"));
  CHECK_THROWS_WITH(
      parse_pt(stored_zip({{"a/data.pkl", stream("}")}, {"a/byteorder", "big"}}), "t.pt"),
      Contains("byte order 'big'"));
  CHECK_THROWS_WITH(
      parse_pt(stored_zip({{"a/data.pkl", stream("}")}, {"b/data.pkl", stream("}")}}), "t.pt"),
      Contains("two pickles"));
}

TEST_CASE("storages that do not fit their description are refused", "[pt]") {
  auto file = [](int64_t elements, const std::string& key) {
    return pt_file(dictionary({{"w", tensor(storage("FloatStorage", key, elements), 0, {1}, {1})}}),
                   {floats({1, 2})});
  };
  CHECK(parse_pt(file(2, "0"), "t.pt").tensors.size() == 1);
  CHECK_THROWS_WITH(parse_pt(file(3, "0"), "t.pt"), Contains("'w'") && Contains("8 bytes"));
  CHECK_THROWS_WITH(parse_pt(file(2, "1"), "t.pt"), Contains("no storage '1'"));
  CHECK_THROWS_AS(parse_pt(file(int64_t{1} << 62, "0"), "t.pt"), Error);
}

TEST_CASE("a small file cannot unfold into a large one", "[pt]") {
  // Each level holds the one below it ten times.
  std::string bomb =
      "](K\x01"
      "e";
  for (int level = 0; level < 9; ++level) {
    std::string next =
        "q\x01"
        "0](";
    for (int i = 0; i < 10; ++i) next += "h\x01";
    bomb += next + "e";
  }
  CHECK_THROWS_WITH(parse_pt(pt_file(bomb, {}), "t.pt"), Contains("too large"));
  // One storage under many names.
  const std::string shared = tensor(storage("FloatStorage", "0", 100000), 0, {100000}, {1}) +
                             "q\x01"
                             "0";
  std::string many = shared + "](";
  for (int i = 0; i < 1000; ++i) many += "h\x01";
  CHECK_THROWS_WITH(parse_pt(pt_file(many + "e", {floats(std::vector<float>(100000))}), "t.pt"),
                    Contains("many times larger"));
  // One text in many places.
  std::string texts = pickled(std::string(100000, 'x')) +
                      "q\x01"
                      "0](";
  for (int i = 0; i < 1000; ++i) texts += "h\x01";
  CHECK_THROWS_WITH(parse_pt(pt_file(texts + "e", {}), "t.pt"), Contains("many times larger"));
  // Names are paths: a long key would stand in each of them.
  const std::string nested =
      dictionary({{"w", tensor(storage("FloatStorage", "0", 1), 0, {1}, {1})}});
  CHECK_THROWS_WITH(
      parse_pt(pt_file(dictionary({{std::string(5000, 'k'), nested}}), {floats({1})}), "t.pt"),
      Contains("too large at 'kkk"));
  // A list of pairs that is made into a dictionary again and again.
  std::string pairs = "](";
  for (int i = 0; i < 3000; ++i) pairs += "K\x01K\x01\x86";
  std::string again =
      pairs + "eq\x01" + "0" + global("collections", "OrderedDict") + "q\x02" + "0](";
  for (int i = 0; i < 1500; ++i) again += "h\x02h\x01\x85R";
  CHECK_THROWS_WITH(parse_pt(pt_file(again + "e", {}), "t.pt"), Contains("copied items"));
  // A list that holds itself.
  CHECK_THROWS_WITH(parse_pt(pt_file("]q\x01h\x01"
                                     "a",
                                     {}),
                             "t.pt"),
                    Contains("too deep"));
}

TEST_CASE("tensors may share storages, overlap and repeat elements", "[pt]") {
  const std::string six = storage("FloatStorage", "0", 6);
  const auto file = [&](const std::string& tensors) {
    return pt_file(tensors, {floats({1, 2, 3, 4, 5, 6})});
  };
  const PtFile views = parse_pt(file(dictionary({{"all", tensor(six, 0, {6}, {1})},
                                                 {"middle", tensor(six, 1, {2, 2}, {2, 1})},
                                                 {"sliding", tensor(six, 0, {3, 4}, {1, 1})},
                                                 {"expanded", tensor(six, 2, {4, 2}, {0, 1})}})),
                                "t.pt");
  CHECK(at::equal(views.tensors.at("middle"), at::arange(2, 6, at::kFloat).view({2, 2})));
  CHECK(at::equal(views.tensors.at("sliding")[2], at::arange(3, 7, at::kFloat)));
  CHECK(at::equal(views.tensors.at("expanded")[3], at::arange(3, 5, at::kFloat)));
  for (const int64_t rows : {int64_t{1000000}, int64_t{1} << 60}) {
    CHECK_THROWS_WITH(parse_pt(file(dictionary({{"w", tensor(six, 0, {rows}, {0})}})), "t.pt"),
                      Contains("'w'") && Contains("many times larger"));
  }
}

TEST_CASE("the original's .pt files hold the tensors of the safetensors beside them", "[pt]") {
  if (shared_data("rmkv-original").empty()) {
    WARN("SKIPPED: no ../shared/data/rmkv-original");
    return;
  }
  for (const char* name : {"tiny-gru", "tiny-minimal"}) {
    const PtFile file = read_pt(shared_data(std::string("rmkv-original/") + name + ".pt"));
    const auto expected =
        read_safetensors(shared_data(std::string("rmkv-original/") + name + ".safetensors"))
            .tensors;
    CHECK(file.tensors.size() == expected.size());
    for (const auto& [key, tensor] : expected) {
      INFO(key);
      REQUIRE(file.tensors.count("model_state_dict." + key) == 1);
      CHECK(at::equal(file.tensors.at("model_state_dict." + key), tensor));
    }
    CHECK(find(file.rest, "step")->as_int() == 3);
  }
}
