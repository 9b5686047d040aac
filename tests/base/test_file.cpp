// Files: atomic writing, limits, hashes, and errors that name path and reason.
#include <sys/stat.h>

#include "core/base/error.h"
#include "core/base/file.h"
#include "tests/catch.h"
#include "tests/temporary_folder.h"

using namespace rmkv;
using Catch::Matchers::Contains;

TEST_CASE("a written file reads back and leaves nothing beside it") {
  TemporaryFolder folder;
  std::string content("a\0b\n\xff", 5);
  write_file_atomic(folder / "x", content);
  CHECK(read_file(folder / "x") == content);
  write_file_atomic(folder / "x", "");
  CHECK(read_file(folder / "x").empty());
  CHECK(list_folder(folder.path()) == std::vector<std::string>{"x"});
}

TEST_CASE("an atomic file that is not committed leaves the old content") {
  TemporaryFolder folder;
  write_file_atomic(folder / "x", "old");
  {
    AtomicFile file(folder / "x");
    file.write("new, but the writer fails");
    CHECK(read_file(folder / "x") == "old");
  }
  CHECK(read_file(folder / "x") == "old");
  CHECK(list_folder(folder.path()).size() == 1);
}

TEST_CASE("the commit's hash is that of the content, in pieces or whole") {
  TemporaryFolder folder;
  std::string content;
  for (int i = 0; i < 700000; ++i) content += static_cast<char>(i * 7 + i / 256);
  AtomicFile file(folder / "x");
  for (size_t i = 0; i < content.size(); i += 99999)
    file.write(std::string_view(content).substr(i, 99999));
  std::string hash = file.commit();
  CHECK(hash == content_hash(content));
  CHECK(hash == file_hash(folder / "x"));
  content[350000] ^= 1;
  CHECK(hash != content_hash(content));
  // XXH3-128 of the empty input with seed 0, from the reference implementation's test vectors.
  CHECK(content_hash("") == "99aa06d3014798d86001c324468d497f");
}

TEST_CASE("file errors name the path and the reason") {
  TemporaryFolder folder;
  CHECK_THROWS_WITH(read_file(folder / "none"), Contains("none") && Contains("No such file"));
  CHECK_THROWS_WITH(read_file(folder.path()), Contains("expected a regular file"));
  CHECK_THROWS_WITH(write_file_atomic(folder / "none/x", "a"), Contains("No such file"));
  write_file_atomic(folder / "x", "0123456789");
  CHECK_THROWS_WITH(read_file(folder / "x", 9), Contains("10 bytes") && Contains("at most 9"));
  CHECK_THROWS_WITH(make_folders(folder / "x/y"), Contains("x/y"));
  CHECK_THROWS_WITH(make_folders(folder / "x"), Contains("x"));
  CHECK_THROWS_WITH(list_folder(folder / "none"), Contains("none"));
  CHECK_THROWS_WITH(file_hash(folder / "none"), Contains("No such file"));
}

TEST_CASE("writing onto a folder fails and removes the part") {
  TemporaryFolder folder;
  make_folders(folder / "target/inside");
  CHECK_THROWS_AS(write_file_atomic(folder / "target", "x"), Error);
  CHECK(list_folder(folder.path()) == std::vector<std::string>{"target"});
}

TEST_CASE("append adds to the end, listing sorts, folders are made with parents") {
  TemporaryFolder folder;
  make_folders(folder / "a/b/c");
  make_folders(folder / "a/b/c");
  CHECK(is_folder(folder / "a/b/c"));
  append_file(folder / "a/log", "one\n");
  append_file(folder / "a/log", "two\n");
  CHECK(read_file(folder / "a/log") == "one\ntwo\n");
  CHECK(list_folder(folder / "a") == std::vector<std::string>{"b", "log"});
  CHECK(path_exists(folder / "a/log"));
  CHECK_FALSE(is_folder(folder / "a/log"));
  CHECK(file_size_bytes(folder / "a/log") == 8);
}

TEST_CASE("a mapped file shows its bytes and can be moved") {
  TemporaryFolder folder;
  write_file_atomic(folder / "x", "mapped");
  write_file_atomic(folder / "empty", "");
  MappedFile first(folder / "x");
  MappedFile second(std::move(first));
  CHECK(second.bytes() == "mapped");
  CHECK(first.bytes().empty());
  second = MappedFile(folder / "empty");
  CHECK(second.bytes().empty());
  CHECK_THROWS_WITH(MappedFile(folder / "none"), Contains("none"));
}
