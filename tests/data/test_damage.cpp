// Damaged data files are refused by name or read; damaged rows are bad rows.
#include <filesystem>

#include "core/base/file.h"
#include "core/base/json.h"
#include "core/data/gzip_file.h"
#include "core/data/parquet_source.h"
#include "core/data/text_source.h"
#include "core/data/token_source.h"
#include "core/data/zstd_file.h"
#include "tests/checkpoint/pt_bytes.h"
#include "tests/compressed_bytes.h"
#include "tests/damage.h"
#include "tests/data/support.h"
#include "tests/fuzz/memory_file.h"
#include "tests/fuzz/scratch.h"
#include "tokenizer/id_format.h"

using namespace rmkv;
using rmkv::test::DamageCounts;
using rmkv::test::try_damage;

namespace {

std::string u16(const std::vector<uint16_t>& ids) {
  return {reinterpret_cast<const char*>(ids.data()), 2 * ids.size()};
}

DamageCounts damage_lines(const std::string& whole, const std::string& name, LineFormat format) {
  LineOptions options;
  options.format = format;
  return try_damage(whole, name, 1500, [&](const std::string& s) {
    fuzz::read_documents(LineSource("source " + name, fuzz::memory_files(name, s), options));
  });
}

DamageCounts damage_tokens(const std::string& whole, const std::string& name) {
  return try_damage(whole, name, 2000, [&](const std::string& s) {
    fuzz::read_documents(TokenSource("s", fuzz::memory_files(name, s), {.piece_tokens = 8}));
  });
}

}  // namespace

TEST_CASE("damaged rows, tables and paragraphs", "[damage]") {
  damage_lines("{\"text\":\"a\\u00e9\"}\n\n{\"text\":7}\r\n{\"text\":\"\xC3\xA9\"}\n", "t.jsonl",
               LineFormat::kJson);
  damage_lines(
      "{\"messages\":[{\"role\":\"user\",\"content\":\"u\"},{\"role\":\"assistant\",\"content\":"
      "\"a\"}]}\n",
      "m.jsonl", LineFormat::kJson);
  damage_lines("question,answer\n\"a,\"\"b\"\"\",2\n,x\n", "t.csv", LineFormat::kCsv);
  damage_lines("text\tb\none\t\"two\r\n", "t.tsv", LineFormat::kTsv);
  damage_lines("one\ntwo\n\n \nthree\n\n", "t.txt", LineFormat::kParagraphs);
}

TEST_CASE("damaged token files", "[damage]") {
  const std::vector<int32_t> ids = {1, 2, 3, 70000};
  CHECK(damage_tokens(write_ids(ids, IdFormat::kNpy), "t.npy").refused > 500);
  std::string llmc = little(20240520, 4) + little(1, 4) + little(6, 4);
  llmc.resize(1024);
  CHECK(damage_tokens(llmc + u16({50256, 7, 8, 50256, 9, 10}), "t.bin").refused > 500);
  std::string index =
      std::string("MMIDIDX\0\0", 9) + little(1, 8) + '\x08' + little(3, 8) + little(3, 8);
  for (const uint64_t length : {2, 1, 3}) index += little(length, 4);
  for (const uint64_t pointer : {0, 4, 6}) index += little(pointer, 8);
  for (const uint64_t border : {0, 2, 3}) index += little(border, 8);
  const fuzz::Scratch scratch;
  const std::string path = scratch.path("m.bin"), tokens = u16({1, 2, 3, 4, 5, 6});
  const auto counts = try_damage(index, "m.idx", 3000, [&](const std::string& s) {
    scratch.write("m.idx", s);
    fuzz::read_documents(TokenSource("m.idx", fuzz::memory_files(path, tokens), {}));
  });
  CHECK(counts.refused > 500);
}

TEST_CASE("damaged compressed files", "[damage]") {
  std::string text;
  for (int i = 0; i < 200; ++i) text += "word " + std::to_string(i * i % 97) + "\n";
  const fuzz::Scratch scratch;
  const auto damage = [&](const std::string& whole, const std::string& name, auto open) {
    return try_damage(whole, name, 600, [&](const std::string& s) {
      scratch.clear();
      open(scratch.write(name, s));
    });
  };
  const auto read = [](const ByteFile& file) {
    file.read(0, std::min<uint64_t>(file.size_bytes(), 1 << 20));
  };
  for (const int level : {0, 6}) {
    const auto counts = damage(test::gzip_bytes(text, level), "t.gz", [&](const std::string& path) {
      read(GzipFile(path, scratch.path("cache")));
    });
    CHECK(counts.refused > 500);
  }
  for (const bool sized : {true, false}) {
    const auto counts =
        damage(test::zstd_bytes(text, sized), "t.zst",
               [&](const std::string& path) { read(ZstdFile(path, scratch.path("cache"))); });
    CHECK(counts.refused > 300);
  }
}

TEST_CASE("damaged parquet files", "[damage]") {
  const auto folder = std::filesystem::path(__FILE__).parent_path() / "fixtures";
  for (const char* name : {"snappy.parquet", "nested.parquet"}) {
    const std::string whole = read_file((folder / name).string());
    const auto open = [&](const std::string& bytes) {
      fuzz::read_documents(ParquetSource(name, fuzz::memory_files(name, bytes), {}));
    };
    try {
      open(whole);
    } catch (const Error& error) {
      if (std::string(error.what()).find("scripts/setup") == std::string::npos) throw;
      WARN("SKIPPED: Arrow is not there");
      return;
    }
    CHECK(try_damage(whole, name, 300, open).refused > 300);
  }
}

TEST_CASE("damaged cursors", "[damage]") {
  const SourcePtr source = rmkv::test::list("s", {"one text", "another text", "a third"});
  StreamOptions options;
  options.lanes = 2;
  options.threads = 0;
  options.pack_tokens = 4;
  const auto stream = [&] { return TokenStream({{source, 1}}, make_byte_tokenizer(), options); };
  TokenStream taken = stream();
  taken.next(2, 4);
  const auto counts =
      try_damage(write_json(taken.cursor()), "cursor", 1000, [&](const std::string& s) {
        TokenStream other = stream();
        const Value cursor = parse_json(s, "cursor");
        if (!cursor.is_table()) fail("cursor", cursor.type_name(), "a table");
        other.seek(cursor.as_table());
        other.next(2, 4);
      });
  CHECK(counts.refused > 1000);
}
