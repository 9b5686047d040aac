// Files that join a watched folder: before anything is repeated, by the journal, the same after
// every resume.
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
          double share = 0.1, int64_t lanes = 2, int64_t epochs = 0) {
    Table opened = more;
    opened["watch"] = true;
    opened["journal"] = folder.path() + "/journal";
    opened["cache"] = folder.path() + "/cache";
    StreamOptions options;
    options.lanes = lanes;
    options.pack_tokens = 0;
    options.threads = threads;
    if (epochs > 0) options.exhaustion = "stop", options.epochs = epochs;
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

TEST_CASE("new files of a watched folder are read once before anything is repeated") {
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
    // One lane, nothing read ahead: texts come one by one, looks happen between them.
    Watched watched(folder, 0, {}, 0, 1);
    std::vector<std::string> order;
    auto read = [&](size_t until) {
      while (order.size() < until) order.push_back(texts_of(watched.stream->next(1, 64))[0]);
    };
    read(15);
    fill("0", "c", 7);  // its name sorts before the others'
    read(24);
    fill("1", "d", 3);
    read(30 + 30 + 30);
    auto part = [&](size_t begin, size_t end_place) {
      std::map<char, std::set<std::string>> names;
      for (size_t i = begin; i < end_place; ++i) names[order[i][0]].insert(order[i]);
      return names;
    };
    auto first = part(0, 20);
    CHECK(first['a'].size() + first['b'].size() == 20);
    CHECK(part(20, 27)['c'].size() == 7);
    CHECK(part(27, 30)['d'].size() == 3);
    for (size_t begin : {30, 60}) {
      auto whole = part(begin, begin + 30);
      CHECK(whole['a'].size() + whole['b'].size() == 20);
      CHECK(whole['c'].size() == 7);
      CHECK(whole['d'].size() == 3);
    }
    CHECK(watched.epoch() == 2);
  }
}

TEST_CASE("a stream of one epoch ends when a watched folder has nothing new") {
  TemporaryFolder folder;
  put(folder, "data/a.jsonl", rows("a", 20));
  auto open = [&] { return std::make_unique<Watched>(folder, 1, Table{}, 0, 2, 1); };
  auto watched = open();
  std::set<std::string> seen;
  size_t count = 0;
  while (true) {
    Batch batch = watched->stream->next(1, 64);
    if (batch.lanes == 0) break;
    for (const std::string& text : texts_of(batch)) {
      if (!text.empty()) ++count, seen.insert(text);
    }
    if (count == 4) put(folder, "data/b.jsonl", rows("b", 9));
    if (count == 24) put(folder, "data/empty.jsonl", "\n\n");
  }
  CHECK(count == 29);
  CHECK(seen.size() == 29);
  // It has ended: what comes later is for another run.
  put(folder, "data/c.jsonl", rows("c", 5));
  Table cursor = watched->stream->cursor();
  CHECK(watched->stream->next(1, 64).lanes == 0);
  watched = open();
  watched->stream->seek(cursor);
  CHECK(watched->stream->next(1, 64).lanes == 0);
}

TEST_CASE("pieces of long texts keep their ids when files join") {
  TemporaryFolder folder;
  auto text = [](char letter, size_t bytes) {
    std::string content;
    while (content.size() < bytes) content += letter + std::to_string(content.size()) + " ";
    return content;
  };
  put(folder, "data/a.txt", text('a', 5'000'000));
  SourcePtr source = open_source(folder.path() + "/data", {{"watch", true}});
  REQUIRE(source->document_count() > 100);
  put(folder, "data/b.txt", text('b', 9'000'000));
  SourcePtr grown = source->at_look(1);
  REQUIRE(grown != nullptr);
  for (uint64_t id = 0; id < source->document_count(); id += 17)
    CHECK((grown->document(id).text == source->document(id).text));
  CHECK(grown->document(source->document_count()).text[0] == 'b');
}

TEST_CASE("a cursor names the looks at a watched folder that it depends on") {
  TemporaryFolder folder;
  put(folder, "data/a.jsonl", rows("a", 10));
  Watched watched(folder, 0, {}, 0);
  for (int step = 0; step < 30; ++step) {
    if (step == 2) put(folder, "data/b.jsonl", rows("b", 10));
    watched.stream->next(1, 64);
  }
  const Table cursor = watched.stream->cursor();
  const Table& place = find(cursor, "sources")->as_list()[0].as_table();
  REQUIRE(find(place, "looks")->as_int() >= 3);
  CHECK_NOTHROW(Watched(folder, 0, {}, 0).stream->seek(cursor));
  const std::string journal = folder.path() + "/journal", content = read_file(journal);
  auto refused = [&](const std::string& text, const std::string& why) {
    write_file_atomic(journal, text);
    CHECK_THROWS_WITH(Watched(folder, 0, {}, 0).stream->seek(cursor), Catch::Contains(why));
  };
  // An older copy of the journal; and none, so that all files are there from the start.
  refused(content.substr(0, content.find('\n') + 1), "a journal of fewer than");
  fs::remove(journal);
  CHECK_THROWS_WITH(Watched(folder, 0, {}, 0).stream->seek(cursor), Catch::Contains("journal"));
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
  // A running stream meets it at its next look, or when it reads the file.
  auto run = [&] {
    for (int i = 0; i < 100; ++i) watched.stream->next(1, 64);
  };
  CHECK_THROWS_WITH(run(), Catch::Contains("b.jsonl"));
  std::string path = write(folder, "journal", "{\"look\": 1, \"files\": []}\n");
  CHECK_THROWS_WITH(Watched(folder, 0), Catch::Contains("look 0"));
  write(folder, "journal", "nonsense\n");
  CHECK_THROWS_AS(Watched(folder, 0), Error);
  CHECK_THROWS_WITH(open_source(folder.path() + "/data/a.jsonl", {{"watch", true}}),
                    Catch::Contains("a folder to watch"));
}
