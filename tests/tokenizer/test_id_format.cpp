// Ids as text, JSON, integers and NumPy arrays.
#include "core/base/error.h"
#include "tests/catch.h"
#include "tokenizer/id_format.h"

using namespace rmkv;

namespace {

using Ids = std::vector<int32_t>;

}  // namespace

TEST_CASE("ids come back from every format") {
  for (const Ids& ids : {Ids{}, Ids{0}, Ids{1, 65535, 7}}) {
    for (const char* name : {"text", "json", "u16", "uint16", "u32", "uint32", "npy"}) {
      const IdFormat format = parse_id_format(name);
      CHECK(read_ids(write_ids(ids, format), format, "ids") == ids);
    }
  }
  CHECK(write_ids(Ids{1, 65535}, IdFormat::kText) == "1 65535\n");
  CHECK(write_ids(Ids{1, 65535}, IdFormat::kJson) == "[1, 65535]\n");
  CHECK(write_ids(Ids{1, 65535}, IdFormat::kU16) == std::string("\x01\x00\xFF\xFF", 4));
  CHECK(write_ids(Ids{1, 65536}, IdFormat::kU32) ==
        std::string("\x01\x00\x00\x00\x00\x00\x01\x00", 8));
  CHECK(read_ids("[1, 2]\n[3]\n 4", IdFormat::kText, "ids") == Ids{1, 2, 3, 4});
}

TEST_CASE("NumPy arrays have the header of format 1.0") {
  const std::string npy = write_ids(Ids{1, 2, 3}, IdFormat::kNpy);
  // numpy.lib.format: magic, version, length of the header; together a multiple of 64.
  CHECK(npy.substr(0, 8) == std::string("\x93NUMPY\x01\x00", 8));
  CHECK(npy.size() == 128 + 12);
  CHECK(npy.substr(10, 59) == "{'descr': '<u4', 'fortran_order': False, 'shape': (3,), }  ");
  CHECK(npy[127] == '\n');
  std::string wide = npy;
  wide.replace(wide.find("<u4"), 3, "<i8");
  CHECK_THROWS_WITH(read_ids(wide, IdFormat::kNpy, "ids"), Catch::Contains("12 bytes"));
  wide.replace(wide.find("<i8"), 3, "<f4");
  CHECK_THROWS_WITH(read_ids(wide, IdFormat::kNpy, "ids"), Catch::Contains("type '<f4'"));
}

TEST_CASE("what is no id is refused") {
  CHECK_THROWS_WITH(read_ids("1 -2", IdFormat::kText, "ids"), Catch::Contains("'-2'"));
  CHECK_THROWS_WITH(read_ids("1 2x", IdFormat::kText, "ids"), Catch::Contains("'2x'"));
  CHECK_THROWS_WITH(read_ids("99999999999", IdFormat::kText, "ids"),
                    Catch::Contains("99999999999"));
  CHECK_THROWS_WITH(read_ids("abc", IdFormat::kU16, "ids"), Catch::Contains("3 bytes"));
  CHECK_THROWS_WITH(read_ids("abc", IdFormat::kNpy, "ids"), Catch::Contains("no NumPy array"));
  CHECK_THROWS_WITH(write_ids(Ids{65536}, IdFormat::kU16), Catch::Contains("id 65536"));
  CHECK_THROWS_WITH(parse_id_format("u64"), Catch::Contains("unknown format 'u64'"));
}
