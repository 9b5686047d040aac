// Files that join a watched folder: at the next epoch, by the journal, the same after every resume.
#include "core/data/watched_source.h"

#include <filesystem>
#include <map>
#include <set>

#include "core/base/error.h"
#include "core/base/file.h"
#include "core/base/json.h"
#include "core/data/open_source.h"
#include "core/data/validation_split.h"
#include "core/tensor/torch.h"
#include "tests/catch.h"
#include "tests/data/support.h"

using namespace rmkv;
using namespace rmkv::test;

namespace {

namespace fs = std::filesystem;

// A file that has been left alone for a minute.
void put(const TemporaryFolder& folder, const std::string& name, const std::string& content) {
  std::string path = write(folder, name, content);
  fs::last_write_time(path, fs::file_time_type::clock::now() - std::chrono::minutes(1));
}

std::string rows(const std::string& name, int count) {
  std::string text;
  for (int i = 0; i < count; ++i)
    text += "{\"text\":\"" + name + std::to_string(i) + std::string(30, 'x') + "\"}\n";
  return text;
}

struct Watched {
  Watched(const TemporaryFolder& folder, int64_t threads, const Table& more = {},
          double share = 0.1) {
    Table opened = more;
    opened["watch"] = true;
    opened["journal"] = folder.path() + "/journal";
    opened["cache"] = folder.path() + "/cache";
    StreamOptions options;
    options.lanes = 2;
    options.pack_tokens = 0;
    options.threads = threads;
    options.prefetch_tokens = 100;
    options.validation_share = share;
    stream = std::make_unique<TokenStream>(
        std::vector<StreamSource>{{open_source(folder.path() + "/data", opened), 1}},
        make_byte_tokenizer(), options);
  }
  int64_t epoch() const {
    Table report = stream->report();
    return find(find(report, "sources")->as_list()[0].as_table(), "epoch")->as_int();
  }
  std::unique_ptr<TokenStream> stream;
};

// Texts of a batch whose documents fit in one segment.
std::vector<std::string> texts_of(const Batch& batch) {
  std::vector<std::string> texts;
  for (int64_t lane = 0; lane < batch.lanes; ++lane) {
    std::string text;
    for (int64_t token : lane_tokens(batch, lane)) {
      if (token < 256) text += static_cast<char>(token);
    }
    texts.push_back(text);
  }
  return texts;
}

}  // namespace

TEST_CASE("new files of a watched folder join with the next epoch, and all come once an epoch") {
  for (const char* ending : {".jsonl", ".txt"}) {
    const std::string end = ending;
    INFO(end);
    TemporaryFolder folder;
    // Rows of one file, or as many files.
    auto fill = [&](const std::string& file, const std::string& name, int count) {
      if (end == ".jsonl") put(folder, "data/" + file + end, rows(name, count));
      for (int i = 0; end == ".txt" && i < count; ++i)
        put(folder, "data/" + file + std::to_string(i) + end,
            name + std::to_string(i) + std::string(30, 'x'));
    };
    fill("a", "a", 10);
    fill("b", "b", 10);
    const size_t before = 20, after = 27;
    Watched watched(folder, 0, {}, 0);
    std::map<std::string, size_t> seen;
    size_t count = 0;
    auto read = [&] {
      for (const std::string& text : texts_of(watched.stream->next(1, 64))) {
        ++seen[text];
        ++count;
      }
    };
    read();
    fill("0", "c", 7);  // its name sorts before the others'
    while (count < before) read();
    CHECK(seen.size() == before);  // none of the new ones in the first epoch
    while (count < before + 3 * after - 1) read();
    // Two lanes: one document of the next epoch may have begun.
    size_t old_ones = 0, new_ones = 0;
    for (const auto& [text, times] : seen) {
      INFO(text);
      const size_t expected = text[0] == 'c' ? 3 : 4;
      (text[0] == 'c' ? new_ones : old_ones) += 1;
      CHECK(times + 1 >= expected);
      CHECK(times <= expected + 1);
    }
    CHECK(old_ones == before);
    CHECK(new_ones == after - before);
  }
}

TEST_CASE("a stream over a watched folder replays its journal after any resume") {
  TemporaryFolder folder;
  put(folder, "data/a.jsonl", rows("a", 40));
  put(folder, "data/b.jsonl", rows("b", 30));
  Watched whole(folder, 0);
  std::vector<std::string> expected;
  std::vector<Table> cursors;
  for (int step = 0; step < 400; ++step) {
    cursors.push_back(parse_json(write_json(whole.stream->cursor()), "cursor").as_table());
    if (step == 10) put(folder, "data/new.jsonl", rows("n", 25));
    if (step == 11) write(folder, "data/fresh.jsonl", rows("f", 5));  // still being written
    if (step == 200) put(folder, "data/0.jsonl", rows("z", 15));
    expected.push_back(dump(whole.stream->next(1, 64)));
  }
  REQUIRE(whole.epoch() >= 4);
  std::string journal = read_file(folder.path() + "/journal");
  CHECK(journal.find("fresh") == std::string::npos);
  CHECK(journal.find("new.jsonl") < journal.find("0.jsonl\""));
  // More files come after the crash; a half line was being written when it happened.
  put(folder, "data/later.jsonl", rows("l", 9));
  append_file(folder.path() + "/journal", "{\"epoch\": 99, \"fil");
  for (int step : {0, 5, 30, 36, 90, 150, 260, 399}) {
    INFO("resumed at " << step);
    Watched resumed(folder, step % 3);
    resumed.stream->seek(cursors[static_cast<size_t>(step)]);
    for (int i = step; i < 400; ++i)
      REQUIRE(dump(resumed.stream->next(1, 64)) == expected[static_cast<size_t>(i)]);
  }
  CHECK(read_file(folder.path() + "/journal") == journal);
}

TEST_CASE("documents held out before files joined stay held out") {
  TemporaryFolder folder;
  put(folder, "data/a.jsonl", rows("a", 40));
  Table opened{{"watch", true}, {"journal", folder.path() + "/journal"}};
  SourcePtr source = open_source(folder.path() + "/data", opened);
  ValidationSplit split(source, 0.2);
  std::set<std::string> held;
  for (auto id = source->first_from(0); id; id = source->first_from(*id + 1)) {
    if (split.held_out(*id)) held.insert(source->document(*id).text);
  }
  REQUIRE(held.size() == 8);
  StreamOptions options;
  options.lanes = 1;
  options.pack_tokens = 0;
  options.validation_share = 0.2;
  TokenStream stream({{source, 1}}, make_byte_tokenizer(), options);
  put(folder, "data/b.jsonl", rows("b", 200));
  for (int i = 0; i < 500; ++i) {
    for (const std::string& text : texts_of(stream.next(1, 64))) REQUIRE(held.count(text) == 0);
  }
}

TEST_CASE("filters and dedup look at the files that joined too") {
  TemporaryFolder folder;
  put(folder, "data/a.jsonl", rows("a", 20));
  Table more{{"filters", List{"dedup", Table{{"name", "length"}, {"max", 33}}}}};
  Watched watched(folder, 0, more);
  watched.stream->next(1, 64);
  put(folder, "data/b.jsonl", rows("a", 22) + rows("c", 200));
  std::map<std::string, int> seen;
  for (int i = 0; i < 400; ++i) {
    for (const std::string& text : texts_of(watched.stream->next(1, 64))) ++seen[text];
  }
  CHECK(seen.count("a21" + std::string(30, 'x')) + seen.count("a20" + std::string(30, 'x')) > 0);
  CHECK(seen.count("c111" + std::string(30, 'x')) == 0);  // 34 bytes
  Table report = watched.stream->report();
  const Table& source = find(report, "sources")->as_list()[0].as_table();
  auto dropped = [&](const char* rule) {
    return find(find(find(source, "dropped")->as_table(), rule)->as_table(), "documents")->as_int();
  };
  CHECK(dropped("dedup.duplicate") > 10);
  CHECK(dropped("length.long") > 50);
}

TEST_CASE("files of a watched folder that change or go away are named") {
  TemporaryFolder folder;
  put(folder, "data/a.jsonl", rows("a", 20));
  put(folder, "data/b.jsonl", rows("b", 20));
  Watched watched(folder, 0);
  watched.stream->next(1, 64);
  put(folder, "data/b.jsonl", rows("b", 21));
  CHECK_THROWS_WITH(Watched(folder, 0), Catch::Contains("b.jsonl changed"));
  put(folder, "data/b.jsonl", rows("c", 20));
  CHECK_THROWS_WITH(Watched(folder, 0), Catch::Contains("b.jsonl changed"));
  put(folder, "data/b.jsonl", rows("b", 20));
  CHECK_NOTHROW(Watched(folder, 0));
  fs::remove(folder.path() + "/data/b.jsonl");
  CHECK_THROWS_WITH(Watched(folder, 0), Catch::Contains("b.jsonl missing"));
  // A running stream meets it at the next epoch, or when it reads the file.
  auto run = [&] {
    for (int i = 0; i < 100; ++i) watched.stream->next(1, 64);
  };
  CHECK_THROWS_WITH(run(), Catch::Contains("b.jsonl"));
  std::string path = write(folder, "journal", "{\"epoch\": 1, \"files\": []}\n");
  CHECK_THROWS_WITH(Watched(folder, 0), Catch::Contains("epoch 0"));
  write(folder, "journal", "nonsense\n");
  CHECK_THROWS_AS(Watched(folder, 0), Error);
  CHECK_THROWS_WITH(open_source(folder.path() + "/data/a.jsonl", {{"watch", true}}),
                    Catch::Contains("a folder to watch"));
}
