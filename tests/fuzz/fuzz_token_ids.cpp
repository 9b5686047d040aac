// Fuzz target: token ids as text, JSON, integers and NumPy arrays, and lines of JSON in both
// directions.
#include "tests/fuzz/input.h"
#include "tokenizer/id_format.h"
#include "tokenizer/json_lines.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace rmkv;
  static const TokenizerPtr tokenizer = make_byte_tokenizer();
  const std::string_view bytes = fuzz::view(data, size);
  for (const IdFormat format :
       {IdFormat::kText, IdFormat::kJson, IdFormat::kU16, IdFormat::kU32, IdFormat::kNpy}) {
    fuzz::accepts([&] {
      const std::vector<int32_t> ids = read_ids(bytes, format, "fuzz");
      const IdFormat wide = format == IdFormat::kU16 ? IdFormat::kU32 : format;
      if (read_ids(write_ids(ids, wide), wide, "again") != ids) __builtin_trap();
      tokenizer->decode(ids);
    });
  }
  fuzz::accepts([&] { encode_json_lines(*tokenizer, bytes, {}, 1); });
  fuzz::accepts([&] { decode_json_lines(*tokenizer, bytes, false, 1); });
  return 0;
}
