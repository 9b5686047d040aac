// Text files, folders, JSON lines: what becomes a document, what is refused, what is set aside.
#include <filesystem>
#include <set>

#include "core/base/error.h"
#include "core/base/file.h"
#include "core/base/json.h"
#include "core/base/random.h"
#include "core/data/manifest.h"
#include "core/data/open_source.h"
#include "core/data/row_template.h"
#include "core/data/validation_split.h"
#include "tests/catch.h"
#include "tests/data/support.h"

using namespace rmkv;
using namespace rmkv::test;

namespace {

std::string joined(const DocumentSource& source) {
  std::string text;
  for (uint64_t i = 0; i < source.document_count(); ++i) text += source.document(i).text;
  return text;
}

}  // namespace

TEST_CASE("pieces of a text put together are the text, whatever its bytes") {
  uint64_t seed = 31;
  INFO("seed " << seed);
  RandomStream random(seed, "pieces");
  TemporaryFolder folder;
  for (int round = 0; round < 60; ++round) {
    std::string text;
    size_t size = 1 + random.below(3000);
    // Words, line ends, blank lines, two-byte characters, broken UTF-8, zeros.
    const std::string parts[] = {
        "word ", "a\n", "\n\n", "\xC3\xA9", "\xFF", std::string(1, '\0'), "x", "\r\n\r\n"};
    while (text.size() < size) text += parts[random.below(round % 8 + 1)];
    std::string path = write(folder, "t.txt", text);
    int64_t limit = 16 + static_cast<int64_t>(random.below(400));
    SourcePtr source = open_source(path, {{"document_bytes", limit}});
    REQUIRE(joined(*source) == text);
    for (uint64_t i = 0; i < source->document_count(); ++i) {
      Document document = source->document(i);
      REQUIRE(static_cast<int64_t>(document.text.size()) <= 2 * limit);
      CHECK(document.ends == (i + 1 == source->document_count()));
      CHECK_FALSE(document.parse_special);
    }
  }
}

TEST_CASE("cuts prefer blank lines, then line ends, then blanks, and spare characters") {
  TemporaryFolder folder;
  std::string path = write(folder, "t.txt", "aaaa bbbb\ncccc dd\n\neeee ffff gggg hhhh ii");
  SourcePtr source = open_source(path, {{"document_bytes", 22}});
  REQUIRE(source->document_count() == 2);
  CHECK(source->document(0).text == "aaaa bbbb\ncccc dd\n\n");
  std::string accents;
  for (int i = 0; i < 50; ++i) accents += "\xC3\xA9";
  source = open_source(write(folder, "u.txt", accents), {{"document_bytes", 33}});
  for (uint64_t i = 0; i < source->document_count(); ++i)
    CHECK(source->document(i).text.size() % 2 == 0);
}

TEST_CASE("small files stay whole, long ones are cut automatically") {
  TemporaryFolder folder;
  SourcePtr small = open_source(write(folder, "s.txt", std::string(10000, 'x')));
  CHECK(small->document_count() == 1);
  SourcePtr large = open_source(write(folder, "l.txt", std::string(1 << 20, 'x')));
  CHECK(large->document_count() == 64);  // 16 KiB, the smallest automatic piece
}

TEST_CASE("paragraphs") {
  TemporaryFolder folder;
  std::string path = write(folder, "p.txt", "\n\none\nstill one\n \nTwo  \n\n\n\nthree");
  SourcePtr source = open_source(path, {{"split", "paragraphs"}});
  REQUIRE(source->document_count() == 3);
  CHECK(source->document(0).text == "one\nstill one");
  CHECK(source->document(1).text == "Two");
  CHECK(source->document(2).text == "three");
  CHECK(source->document(1).ends);
}

TEST_CASE("a folder gives its text files, sorted, hidden and other files left out") {
  TemporaryFolder folder;
  write(folder, "b.txt", "bee");
  write(folder, "a/z.md", "zed");
  write(folder, ".hidden/x.txt", "no");
  write(folder, ".x.txt", "no");
  write(folder, "image.png", "no");
  write(folder, "empty.txt", "");
  SourcePtr source = open_source(folder.path() + "/");
  REQUIRE(source->document_count() == 2);
  CHECK(source->document(0).text == "zed");
  CHECK(source->document(1).text == "bee");
  List files = find(source->manifest(), "files")->as_list();
  CHECK(find(files[0].as_table(), "path")->as_string() == "a/z.md");
}

TEST_CASE("what cannot be read says why") {
  TemporaryFolder folder;
  CHECK_THROWS_WITH(open_source(folder.path() + "/nowhere"), Catch::Contains("nothing there"));
  CHECK_THROWS_WITH(open_source(folder.path()), Catch::Contains("empty folder"));
  CHECK_THROWS_WITH(open_source(""), Catch::Contains("nothing there"));
  CHECK_THROWS_WITH(open_source(write(folder, "e.txt", "")), Catch::Contains("empty"));
  CHECK_THROWS_WITH(open_source(write(folder, "d.docx.gz", "PAR1")), Catch::Contains(".gz"));
  CHECK_THROWS_WITH(open_source(write(folder, "e.jsonl", "\n \n")), Catch::Contains("no rows"));
  CHECK_THROWS_WITH(open_source(write(folder, "f.jsonl", "{\"x\":1}\n")),
                    Catch::Contains("fields x"));
  CHECK_THROWS_WITH(open_source(folder.path() + "/e.txt", {{"splitt", "file"}}),
                    Catch::Contains("split"));
  write(folder, "two/a.txt", "a");
  write(folder, "two/b.jsonl", "{}");
  CHECK_THROWS_WITH(open_source(folder.path() + "/two"), Catch::Contains("one kind"));
}

TEST_CASE("a file that shrinks while it is read is an error that names it") {
  TemporaryFolder folder;
  std::string path = write(folder, "t.txt", std::string(5000, 'x'));
  SourcePtr source = open_source(path);
  write(folder, "t.txt", "short");
  CHECK_THROWS_WITH(source->document(0), Catch::Contains("t.txt"));
}

TEST_CASE("JSON lines: fields, templates, masks, numbers, escapes") {
  TemporaryFolder folder;
  std::string path =
      write(folder, "r.jsonl",
            "\xEF\xBB\xBF{\"text\":\"one \\u00e9\"}\r\n\n{\"text\":\"two\\n\",\"n\":3}");
  SourcePtr source = open_source(path);
  REQUIRE(source->document_count() == 2);
  CHECK(source->document(0).text == "one \xC3\xA9");
  CHECK(source->document(1).text == "two\n");

  path =
      write(folder, "q.jsonl",
            "{\"question\":\"1+1?\",\"answer\":\"2\",\"deep\":{\"list\":[4,{\"x.y\":\"z\"}]}}\n");
  source = open_source(path);
  CHECK(source->document(0).text == "1+1?\n<start>2<end>");
  CHECK(source->document(0).loss_spans.empty());
  source = open_source(path, {{"mask_prompt", true}});
  REQUIRE(source->document(0).loss_spans.size() == 1);
  CHECK(source->document(0).loss_spans[0].end == 12);
  source = open_source(path, {{"text", "{{{deep.list.0}}} {deep.list.1.x.y}"}});
  CHECK_THROWS_AS(source->document(0),
                  BadDocument);  // "x.y" is a key, not a path, below the first level
  source = open_source(path, {{"text", "{{{deep.list.0}}}"}});
  CHECK(source->document(0).text == "{4}");
}

TEST_CASE("bad rows are told with file and line, good ones around them stay") {
  TemporaryFolder folder;
  std::string path =
      write(folder, "b.jsonl",
            "{\"text\":\"good\"}\n{\"text\":\n[1]\n{\"text\":null}\n{\"txt\":\"x\"}\n"
            "{\"text\":\"\xFF\xFE\"}\n{\"text\":\"also good\"}\n{\"text\":\"cut");
  SourcePtr source = open_source(path);
  REQUIRE(source->document_count() == 8);
  CHECK(source->document(0).text == "good");
  CHECK(source->document(6).text == "also good");
  for (uint64_t i : {1, 2, 3, 4, 5, 7}) {
    INFO("row " << i);
    try {
      source->document(i);
      FAIL("no error");
    } catch (const BadDocument& error) {
      CHECK(std::string(error.what()).find("b.jsonl:" + std::to_string(i + 1)) !=
            std::string::npos);
    }
  }
}

TEST_CASE("row templates refuse broken braces") {
  CHECK_THROWS_AS(RowTemplate("{a"), Error);
  CHECK_THROWS_AS(RowTemplate("a}"), Error);
  CHECK_THROWS_AS(RowTemplate("{}"), Error);
  CHECK(RowTemplate("x {a} {b.c}").fields() == std::vector<std::string>{"a", "b.c"});
}

TEST_CASE("manifests name what changed") {
  TemporaryFolder folder;
  write(folder, "a.txt", "alpha");
  write(folder, "b.txt", std::string(3 << 20, 'b'));
  Table before = open_source(folder.path())->manifest();
  CHECK(manifest_differences(before, open_source(folder.path())->manifest()).empty());
  bool same = parse_json(write_json(before), "manifest").as_table() == before;
  CHECK(same);

  write(folder, "a.txt", "alphA");
  std::string changed(3 << 20, 'b');
  changed.back() = 'c';
  write(folder, "b.txt", changed);
  write(folder, "c.txt", "new");
  std::vector<std::string> lines =
      manifest_differences(before, open_source(folder.path())->manifest());
  CHECK(lines ==
        std::vector<std::string>{"a.txt: content changed", "b.txt: content changed", "c.txt: new"});
  std::filesystem::remove(folder.path() + "/a.txt");
  write(folder, "b.txt", "b");
  Table after = open_source(folder.path())->manifest();
  lines = manifest_differences(before, after);
  CHECK(lines[0] == "a.txt: missing");
  CHECK(lines[1] == "b.txt: 1 bytes, was 3145728");
  CHECK_THROWS_WITH(require_same_data(before, after), Catch::Contains("a.txt: missing"));
}

TEST_CASE("stream manifests name sources, whatever their weights") {
  TemporaryFolder folder;
  TokenizerPtr tokenizer = make_byte_tokenizer();
  auto manifest = [&](double weight) {
    return TokenStream({{open_source(folder.path(), {{"name", "books"}}), weight}}, tokenizer, {})
        .manifest();
  };
  write(folder, "a.txt", "alpha beta");
  Table before = manifest(1);
  write(folder, "a.txt", "alpha betA");
  // A weight is no part of it: it may change on the way, and the cursor has the one that holds.
  CHECK(manifest_differences(before, manifest(2)) ==
        std::vector<std::string>{"sources/books/a.txt: content changed"});
}

TEST_CASE("the validation split has the share, is stable, and survives new files") {
  TemporaryFolder folder;
  for (int i = 0; i < 50; ++i)
    write(folder, "f" + std::to_string(i) + ".txt", "text " + std::to_string(i));
  SourcePtr source = open_source(folder.path());
  ValidationSplit split(source, 0.1);
  std::set<std::string> held;
  for (uint64_t i = 0; i < 50; ++i) {
    if (split.held_out(i)) held.insert(source->document(i).text);
  }
  CHECK(held.size() == 5);
  write(folder, "a_new.txt", "text new");
  SourcePtr more = open_source(folder.path());
  ValidationSplit again(more, 0.1);
  size_t kept = 0;
  for (uint64_t i = 0; i < 51; ++i) kept += again.held_out(i) && held.count(more->document(i).text);
  CHECK(kept >= 4);  // one place may go to the new file
  CHECK_FALSE(ValidationSplit(list("one", {"x"}), 0.5).held_out(0));
  CHECK_THROWS_AS(ValidationSplit(source, 0.9), Error);
  CHECK_THROWS_AS(ValidationSplit(source, -0.1), Error);
}

TEST_CASE("random bytes as JSON lines are rows or bad rows, never worse") {
  uint64_t seed = 5;
  INFO("seed " << seed);
  RandomStream random(seed, "bytes");
  TemporaryFolder folder;
  const std::string parts[] = {
      "{\"text\":\"",       "\"}\n", "\n", "{", "}", "[", "\\u12", "\xFF", "\"",
      std::string(1, '\0'), "1e999", ","};
  for (int round = 0; round < 200; ++round) {
    std::string bytes = "{\"text\":\"x\"}\n";
    for (int i = 0; i < 60; ++i) bytes += parts[random.below(std::size(parts))];
    SourcePtr source = open_source(write(folder, "x.jsonl", bytes));
    for (uint64_t i = 0; i < source->document_count(); ++i) {
      try {
        source->document(i);
      } catch (const BadDocument& error) {
        REQUIRE(std::string(error.what()).find("x.jsonl:") != std::string::npos);
      }
    }
  }
}

TEST_CASE("deeply nested JSON is a bad row") {
  TemporaryFolder folder;
  std::string nested = "{\"text\":" + std::string(100000, '[') + std::string(100000, ']') + "}\n";
  SourcePtr source = open_source(write(folder, "n.jsonl", "{\"text\":\"x\"}\n" + nested));
  CHECK_THROWS_AS(source->document(1), BadDocument);
}
