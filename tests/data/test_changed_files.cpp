// Every kind of file: what was changed, cut or taken away is named, between two runs and during
// one.
#include <filesystem>
#include <functional>

#include "core/base/error.h"
#include "core/base/file.h"
#include "core/data/manifest.h"
#include "core/data/open_source.h"
#include "core/data/parquet_source.h"
#include "tests/catch.h"
#include "tests/checkpoint/pt_bytes.h"
#include "tests/compressed_bytes.h"
#include "tests/data/support.h"
#include "tokenizer/id_format.h"

using namespace rmkv;
using namespace rmkv::test;

namespace {

namespace fs = std::filesystem;

// Content of a file of one kind that holds a few dozen documents; `letter` decides the text, never
// the size.
struct Kind {
  const char* ending;
  std::function<std::string(char letter)> content;
};

std::string rows(char letter, const std::string& before, const std::string& after) {
  std::string text;
  for (int i = 0; i < 40; ++i)
    text += before + std::string(20, letter) + std::to_string(100 + i) + after + "\n";
  return text;
}

std::vector<int32_t> ids(char letter) {
  std::vector<int32_t> list;
  for (int i = 0; i < 600; ++i) list.push_back(letter + i % 20);
  return list;
}

std::string u16_of(const std::vector<int32_t>& list) {
  std::string bytes;
  for (int32_t id : list) bytes += little(static_cast<uint64_t>(id), 2);
  return bytes;
}

std::string llmc(char letter) {
  std::string head = little(20240520, 4) + little(1, 4) + little(600, 4);
  head.resize(1024);
  return head + u16_of(ids(letter));
}

std::string stored_gzip(const std::string& text) {
  return test::gzip_bytes(text, 0);  // not compressed: the size stays
}

const std::vector<Kind> kKinds = {
    {".txt", [](char letter) { return rows(letter, "", ""); }},
    {".jsonl", [](char letter) { return rows(letter, "{\"text\":\"", "\"}"); }},
    {".csv", [](char letter) { return "text\n" + rows(letter, "\"", "\""); }},
    {".tsv", [](char letter) { return "text\tn\n" + rows(letter, "", "\t1"); }},
    {".jsonl.gz", [](char letter) { return stored_gzip(rows(letter, "{\"text\":\"", "\"}")); }},
    {".txt.zst", [](char letter) { return test::zstd_bytes(rows(letter, "", ""), true); }},
    {".npy", [](char letter) { return write_ids(ids(letter), IdFormat::kNpy); }},
    {".bin", llmc}};

SourcePtr open(const TemporaryFolder& folder) {
  return open_source(folder / "data", {{"cache", folder / "cache"}, {"name", "data"}});
}

std::vector<std::string> differences(const Table& before, const Table& after) {
  return manifest_differences(before, after);
}

// Later than whatever was written so far, whatever the clock's grain.
void touch(const std::string& path) {
  fs::last_write_time(path, fs::last_write_time(path) + std::chrono::seconds(2));
}

}  // namespace

TEST_CASE("changed, cut and missing files of every kind are named when a run goes on") {
  for (const Kind& kind : kKinds) {
    INFO(kind.ending);
    TemporaryFolder folder;
    const std::string a = std::string("data/a") + kind.ending,
                      b = std::string("data/b") + kind.ending;
    write(folder, a, kind.content('a'));
    write(folder, b, kind.content('b'));
    const Table before = open(folder)->manifest();
    // The same bytes again, later, elsewhere on the disk.
    write(folder, b, kind.content('b'));
    touch(folder / b);
    CHECK(differences(before, open(folder)->manifest()).empty());

    write(folder, b, kind.content('c'));
    REQUIRE(kind.content('c').size() == kind.content('b').size());
    const std::string name = fs::path(b).filename().string();
    CHECK(differences(before, open(folder)->manifest()) ==
          std::vector<std::string>{name + ": content changed"});

    const std::string longer = kind.content('b') + kind.content('b');
    write(folder, b, longer);
    std::vector<std::string> lines = differences(before, open(folder)->manifest());
    REQUIRE(lines.size() == 1);
    CHECK(lines[0] == name + ": " + std::to_string(longer.size()) + " bytes, was " +
                          std::to_string(kind.content('b').size()));

    fs::remove(folder / b);
    CHECK(differences(before, open(folder)->manifest()) ==
          std::vector<std::string>{name + ": missing"});
    fs::remove(folder / a);
    CHECK_THROWS_WITH(open(folder), Catch::Contains(folder / "data"));
  }
}

TEST_CASE("files of every kind that change under a reader end it by name") {
  for (const Kind& kind : kKinds) {
    INFO(kind.ending);
    TemporaryFolder folder;
    const std::string path = write(folder, std::string("data/a") + kind.ending, kind.content('a'));
    const auto opened = [&] { return open_byte_file(path, folder / "cache"); };
    ByteFilePtr file = opened();
    write(folder, std::string("data/a") + kind.ending, kind.content('b'));
    touch(path);
    CHECK_THROWS_WITH(file->read(0, 10), Catch::Contains(path) && Catch::Contains("written to"));
    file = opened();
    CHECK_NOTHROW(file->read(0, 10));

    file = opened();
    write(folder, std::string("data/a") + kind.ending, kind.content('b') + "x");
    CHECK_THROWS_WITH(file->read(0, 10),
                      Catch::Contains(path) && Catch::Contains("when it was opened"));

    write(folder, std::string("data/a") + kind.ending, kind.content('b'));
    file = opened();
    fs::remove(path);
    CHECK_THROWS_WITH(file->read(0, 10), Catch::Contains(path));
  }
}

TEST_CASE("a stream over a file that is replaced ends at the next read, with the file's name") {
  TemporaryFolder folder;
  std::string text;
  while (text.size() < 4'000'000) text += "line " + std::to_string(text.size()) + "\n";
  const std::string path = write(folder, "data/long.txt", text);
  StreamOptions options;
  options.lanes = 2;
  options.threads = 2;
  options.prefetch_tokens = 1000;
  TokenStream stream({{open(folder), 1}}, make_byte_tokenizer(), options);
  stream.next(1, 128);
  write(folder, "data/long.txt", text);
  touch(path);
  const auto run = [&] {
    for (int i = 0; i < 1000; ++i) stream.next(8, 1024);
  };
  CHECK_THROWS_WITH(run(), Catch::Contains("long.txt"));
}

TEST_CASE("the index beside a Megatron file, and parquet files, are watched like others") {
  TemporaryFolder folder;
  const auto index = [](uint64_t first) {
    std::string bytes =
        std::string("MMIDIDX\0\0", 9) + little(1, 8) + '\x08' + little(2, 8) + little(3, 8);
    for (const uint64_t length : {first, 300 - first}) bytes += little(length, 4);
    for (const uint64_t pointer : {uint64_t{0}, 2 * first}) bytes += little(pointer, 8);
    for (const uint64_t border : {0, 1, 2}) bytes += little(border, 8);
    return bytes;
  };
  write(folder, "data/a.bin", u16_of(ids('a')).substr(0, 600));
  write(folder, "data/a.idx", index(100));
  Table before = open(folder)->manifest();
  write(folder, "data/a.idx", index(120));
  CHECK(differences(before, open(folder)->manifest()) ==
        std::vector<std::string>{"a.bin.idx: content changed"});
  fs::remove(folder / "data/a.idx");
  CHECK_THROWS_WITH(open(folder), Catch::Contains("a.bin") && Catch::Contains(".idx"));

  fs::remove(folder / "data/a.bin");
  const std::string path = folder / "data/a.parquet";
  const auto rows_of = [](char letter) {
    return TextTable{{"text"}, {{std::string(100, letter), std::string(90, letter)}}};
  };
  try {
    write_parquet(path, rows_of('a'), 1, "uncompressed");
  } catch (const Error& error) {
    if (std::string(error.what()).find("scripts/setup") == std::string::npos) throw;
    WARN("SKIPPED: Arrow is not there");
    return;
  }
  SourcePtr source = open(folder);
  before = source->manifest();
  write_parquet(path, rows_of('b'), 1, "uncompressed");
  touch(path);
  CHECK_THROWS_WITH(source->document(1 << BlockSource::kRowBits),
                    Catch::Contains("a.parquet") && Catch::Contains("written to"));
  CHECK(differences(before, open(folder)->manifest()) ==
        std::vector<std::string>{"a.parquet: content changed"});
}
