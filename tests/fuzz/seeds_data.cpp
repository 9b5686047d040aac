// Seeds of data files: rows, tables, token arrays, compressed files, parquet, the hub's answers.
#include <filesystem>

#include "core/base/error.h"
#include "core/base/file.h"
#include "core/data/gzip_file.h"
#include "core/data/parquet_source.h"
#include "core/data/zstd_file.h"
#include "tests/checkpoint/pt_bytes.h"
#include "tests/compressed_bytes.h"
#include "tests/fuzz/input.h"
#include "tests/fuzz/seeds.h"
#include "tests/temporary_folder.h"
#include "tokenizer/id_format.h"

namespace rmkv::fuzz {

namespace {

std::string words(size_t count) {
  std::string text;
  for (size_t i = 0; i < count; ++i) text += "word " + std::to_string(i * i % 97) + "\n";
  return text;
}

std::string u16(const std::vector<uint16_t>& ids) {
  return {reinterpret_cast<const char*>(ids.data()), 2 * ids.size()};
}

void put_rows() {
  put_seed("jsonl", "text",
           "{\"text\":\"a\\u00e9\\n\"}\n\n{\"text\":\"\xC3\xA9\"}\r\n{\"text\":7}\n");
  put_seed("jsonl", "pairs",
           "{\"question\":[\"q\"],\"answer\":\"4 #### 4\",\"a\":{\"b\":{\"c\":null}}}\n"
           "{\"prompt\":\"p\",\"response\":\"r\"}\n");
  put_seed("jsonl", "messages",
           "{\"messages\":[{\"role\":\"system\",\"content\":\"s\"},{\"role\":\"user\",\"content\":"
           "\"u\"},{\"role\":\"assistant\",\"content\":\"a\"}]}\n"
           "{\"conversations\":[{\"from\":\"human\",\"value\":\"h\"},{\"from\":\"gpt\","
           "\"value\":\"g\"}]}\n");
  put_seed("table", "csv",
           "\xEF\xBB\xBFquestion,answer\n\"a,\"\"b\"\"\",2\n,x\n1,2,3\n\"open\n1\n");
  put_seed("table", "tsv", "text\tb\none\t\"two\r\n");
  put_seed("table", "paragraphs", "one\ntwo\n\n \nthree \xE2\x82\xAC\n\n\n");
}

void put_arrays() {
  put_seed("npy", "u32", write_ids(std::vector<int32_t>{1, 2, 3, 70000}, IdFormat::kNpy));
  const std::string head = "{'descr': '<i2', 'fortran_order': False, 'shape': (2, 3), }\n";
  put_seed("npy", "rows",
           std::string("\x93NUMPY\x02\x00", 8) + little(head.size(), 4) + head +
               u16({1, 2, 3, 4, 5, 6}));
  for (const uint64_t magic : {20240520, 20240801}) {
    std::string bytes = little(magic, 4) + little(1, 4) + little(6, 4);
    bytes.resize(1024);
    put_seed("npy", "llmc" + std::to_string(magic),
             bytes + u16({50256, 7, 8, 50256, 9, 10, 0, 1, 2, 3, 4, 5}));
  }
  std::string index =
      std::string("MMIDIDX\0\0", 9) + little(1, 8) + '\x08' + little(3, 8) + little(3, 8);
  for (const uint64_t length : {2, 1, 3}) index += little(length, 4);
  for (const uint64_t pointer : {0, 4, 6}) index += little(pointer, 8);
  for (const uint64_t border : {0, 2, 3}) index += little(border, 8);
  put_seed("megatron", "two", joined({index, u16({1, 2, 3, 4, 5, 6})}));
}

void put_compressed() {
  const std::string text = words(300);
  put_seed("gzip", "one", test::gzip_bytes(text));
  put_seed("gzip", "stored", test::gzip_bytes(text, 0));
  put_seed("gzip", "members",
           test::gzip_bytes("a") + test::gzip_bytes(text, 1) + std::string(9, '\0'));
  put_seed("zstd", "sized", test::zstd_bytes(text));
  put_seed("zstd", "pipe", test::zstd_bytes(text, false));
  put_seed("zstd", "frames",
           test::zstd_bytes("a") + little(0x184D2A50, 4) + little(3, 4) + "xyz" +
               test::zstd_bytes(text));
  RestartIndex index;
  index.content_bytes = 100'000;
  index.points = {{0, 0, 0, 0, 60}, {50'000, 40, 3, 0, 20}};
  put_seed("restart_index", "two", index.header());
}

void put_parquet() {
  TemporaryFolder folder;
  const std::string path = folder / "x.parquet";
  const TextTable table{{"text", "a.b"}, {{"one", "two", "three"}, {"[1]", "2", ""}}};
  try {
    for (const char* codec : {"uncompressed", "snappy", "gzip", "zstd", "brotli", "lz4_raw"}) {
      write_parquet(path, table, 2, codec);
      put_seed("parquet", codec, read_file(path));
    }
  } catch (const Error&) {
    // Arrow is not there: neither is the target.
  }
  // Nested columns, which we do not write.
  const std::filesystem::path fixtures =
      std::filesystem::path(__FILE__).parent_path().parent_path() / "data/fixtures";
  put_seed("parquet", "nested", read_file((fixtures / "nested.parquet").string()));
}

void put_hub() {
  const std::string commit = R"({"sha": "c0ffee", "private": false})";
  const std::string listing =
      R"([{"type": "file", "path": "README.md", "oid": "1", "size": 120},
          {"type": "directory", "path": "data"},
          {"type": "file", "path": "data/train-0.jsonl", "oid": "2", "size": 9,
           "lfs": {"oid": "abc", "size": 30000000}}])";
  const std::string card =
      "---\nconfigs:\n- config_name: main\n  default: true\n  data_files:\n  - split: train\n"
      "    path: data/*.jsonl\n  - split: test\n    path: \"**/t?st*\"\n---\n# A card\n";
  put_seed("hub", "card", joined({commit, listing, "<http://hub/tree/2>; rel=\"next\"", card}));
  const std::string kept = R"([{"path": "train.csv", "hash": "ff", "size": 3}])";
  put_seed("hub", "kept", joined({commit, kept, "", "a\n"}));
}

}  // namespace

void put_data_seeds() {
  put_rows();
  put_arrays();
  put_compressed();
  put_parquet();
  put_hub();
}

}  // namespace rmkv::fuzz
