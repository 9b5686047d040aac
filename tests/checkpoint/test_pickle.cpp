// The pickle reader: plain data is read, everything that could act is refused, hostile sizes too.
#include "core/checkpoint/pickle.h"

#include "core/base/error.h"
#include "tests/catch.h"
#include "tests/checkpoint/pt_bytes.h"

using namespace rmkv;
using Catch::Matchers::Contains;

namespace {

Pickle parse(const std::string& body) {
  return parse_pickle(stream(body), "t.pkl");
}

template <typename T>
T value_of(const std::string& body) {
  return std::get<T>(parse(body).root->value);
}

}  // namespace

TEST_CASE("plain values are read", "[pickle]") {
  CHECK(value_of<int64_t>("K\x07") == 7);
  CHECK(value_of<int64_t>(std::string("M\x01\x02")) == 0x201);
  CHECK(value_of<int64_t>("J\xfe\xff\xff\xff") == -2);
  CHECK(value_of<int64_t>(std::string("\x8a\x01\xff")) == -1);
  CHECK(value_of<int64_t>(std::string("\x8a\x00", 2)) == 0);
  CHECK(value_of<int64_t>(pickled(INT64_MIN)) == INT64_MIN);
  CHECK(value_of<double>(std::string("G\x3f\xf8\x00\x00\x00\x00\x00\x00", 9)) == 1.5);
  CHECK(value_of<bool>("\x88"));
  CHECK_FALSE(value_of<bool>("\x89"));
  CHECK(value_of<std::string>(pickled("caf\xc3\xa9")) == "caf\xc3\xa9");
  CHECK(value_of<std::string>(std::string("\x8c\x02") + "ab") == "ab");
  CHECK(std::holds_alternative<std::monostate>(parse("N").root->value));
  CHECK(value_of<PickleList>("](K\x01K\x02"
                             "e")
            .items.size() == 2);
  CHECK(value_of<PickleList>("]K\x01"
                             "a")
            .items.size() == 1);
  CHECK(value_of<PickleList>("K\x01K\x02K\x03\x87").items.size() == 3);
  CHECK(value_of<PickleDict>("}K\x01K\x02s").entries.size() == 1);
  CHECK(value_of<PickleDict>(global("collections", "OrderedDict") + ")R").entries.empty());
  CHECK(value_of<PickleDict>(global("collections", "OrderedDict") + "](" +
                             tuple({pickled("a"), pickled(1)}) + "e\x85R")
            .entries.size() == 1);
  // Memo: stored once, the same value twice.
  const Pickle twice = parse(pickled("a") + "q\x05h\x05\x86");
  const auto& items = std::get<PickleList>(twice.root->value).items;
  CHECK(items.at(0) == items.at(1));
}

TEST_CASE("tensors are described, not built", "[pickle]") {
  const auto description =
      value_of<PickledTensor>(tensor(storage("BFloat16Storage", "17", 20), 2, {3, 4}, {4, 1}));
  CHECK(description.storage.key == "17");
  CHECK(description.storage.dtype == at::kBFloat16);
  CHECK(description.storage.elements == 20);
  CHECK(description.offset == 2);
  CHECK(description.shape == std::vector<int64_t>{3, 4});
  CHECK(description.strides == std::vector<int64_t>{4, 1});
}

TEST_CASE("a pickle that would call something is refused by name", "[pickle]") {
  const std::vector<std::pair<std::string, std::string>> attacks = {
      {global("os", "system") + pickled("true") + "\x85R", "os.system"},
      {global("posix", "system") + pickled("true") + "\x85R", "posix.system"},
      {global("builtins", "eval") + pickled("1") + "\x85R", "builtins.eval"},
      {global("__builtin__", "getattr"), "__builtin__.getattr"},
      {pickled("subprocess") + pickled("Popen") + "\x93", "subprocess.Popen"},
      {global("torch", "load"), "torch.load"},
      {global("torch.storage", "_load_from_bytes"), "torch.storage._load_from_bytes"},
  };
  for (const auto& [body, name] : attacks)
    CHECK_THROWS_WITH(parse(body), Contains("'" + name + "'"));
  // Instructions that make objects: NEWOBJ, NEWOBJ_EX, INST, OBJ, EXT1, PERSID.
  for (const char* opcode : {"\x81", "\x92", "i", "o", "\x82", "P"}) {
    CHECK_THROWS_WITH(parse("))" + std::string(opcode)), Contains("instruction"));
  }
  // A storage type cannot be called, and nothing but a dictionary takes a state.
  CHECK_THROWS_WITH(parse(global("torch", "FloatStorage") + ")R"), Contains("storage type"));
  CHECK_THROWS_WITH(parse("](K\x01"
                          "e}b"),
                    Contains("dictionary"));
}

TEST_CASE("broken and hostile streams are refused", "[pickle]") {
  for (const std::string& body :
       std::vector<std::string>{"",
                                "t",
                                "R",
                                "0",
                                "a",
                                "s",
                                "u",
                                "h\x05",
                                "b",
                                "Q",
                                "\x93",
                                "2",
                                "K",
                                "(",
                                "K\x01K\x02",
                                "}(K\x01u",
                                "X\xff\xff\xff\xff",
                                "T\xff\xff\xff\x7f",
                                std::string("\x8e\xff\xff\xff\xff\xff\xff\xff\xff"),
                                std::string("\x8a\x09\x01\x02\x03\x04\x05\x06\x07\x08\x09"),
                                "cos"}) {
    INFO(body);
    CHECK_THROWS_AS(parse(body), Error);
  }
  CHECK_THROWS_WITH(parse_pickle("\x80\x06N.", "t"), Contains("protocol 6"));
  CHECK_THROWS_WITH(parse_pickle(std::string("\x80\x02N", 3), "t"), Contains("cut short"));
  CHECK_THROWS_AS(parse_pickle("", "t"), Error);
}

TEST_CASE("tensors that reach outside their storage are refused", "[pickle]") {
  const std::string ten = storage("FloatStorage", "0", 10);
  for (const std::string& body : {
           tensor(ten, 0, {11}, {1}),
           tensor(ten, 8, {3}, {1}),
           tensor(ten, -1, {2}, {1}),
           tensor(ten, 0, {2, 2}, {9, 1}),
           tensor(ten, 0, {3}, {5}),
           tensor(ten, 0, {-1}, {1}),
           tensor(ten, 0, {2}, {-1}),
           tensor(ten, 0, {2, 2}, {1}),
           tensor(ten, 0, {INT64_MAX, INT64_MAX}, {1, 1}),
           tensor(ten, INT64_MAX, {2}, {1}),
           tensor(ten, 0, {2}, {INT64_MAX}),
           tensor(storage("FloatStorage", "0", -5), 0, {1}, {1}),
           tensor(ten, 0, std::vector<int64_t>(65, 1), std::vector<int64_t>(65, 1)),
       }) {
    CHECK_THROWS_AS(parse(body), Error);
  }
  CHECK(value_of<PickledTensor>(tensor(ten, 0, {0, 5}, {5, 1})).shape[0] == 0);
  CHECK(value_of<PickledTensor>(tensor(ten, 9, {}, {})).offset == 9);
}

TEST_CASE("deep and circular structures neither recurse nor leak", "[pickle]") {
  std::string deep;
  for (int i = 0; i < 500000; ++i) deep += "]";
  for (int i = 1; i < 500000; ++i) deep += "a";
  CHECK(std::holds_alternative<PickleList>(parse(deep).root->value));
  // A list that holds itself.
  CHECK(value_of<PickleList>("]q\x01h\x01"
                             "a")
            .items.size() == 1);
}
