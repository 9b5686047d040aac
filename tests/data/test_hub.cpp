// Data sets of the hub: names, choice of files, local caches, and the hub itself played by a local
// server.
#include <cstdlib>
#include <filesystem>

#include "core/base/error.h"
#include "core/base/file.h"
#include "core/base/sha256.h"
#include "core/data/http.h"
#include "core/data/hub.h"
#include "core/data/hub_path.h"
#include "core/data/manifest.h"
#include "core/data/open_source.h"
#include "tests/catch.h"
#include "tests/data/hub_server.h"
#include "tests/data/support.h"

using namespace rmkv;
using namespace rmkv::test;

namespace {

// Environment variables for one test.
class Variables {
 public:
  void set(const std::string& name, const std::string& value) {
    const char* before = std::getenv(name.c_str());
    saved_.push_back({name, before == nullptr ? "" : before, before != nullptr});
    ::setenv(name.c_str(), value.c_str(), 1);
  }
  ~Variables() {
    for (auto entry = saved_.rbegin(); entry != saved_.rend(); ++entry) {
      if (entry->was_set)
        ::setenv(entry->name.c_str(), entry->value.c_str(), 1);
      else
        ::unsetenv(entry->name.c_str());
    }
  }

 private:
  struct Saved {
    std::string name, value;
    bool was_set;
  };
  std::vector<Saved> saved_;
};

using Names = std::vector<std::string>;

Names chosen(const Names& files, const std::string& card, const std::string& path) {
  return choose_hub_files(files, card, parse_hub_path(path));
}

}  // namespace

TEST_CASE("names of data sets") {
  HubPath path = parse_hub_path("hub:HuggingFaceFW/fineweb@refs-pr-1:sample-10BT/train");
  CHECK(path.repository == "HuggingFaceFW/fineweb");
  CHECK(path.revision == "refs-pr-1");
  CHECK(path.config == "sample-10BT");
  CHECK(path.split == "train");
  CHECK(parse_hub_path("hub:a/b").split == "train");
  CHECK(parse_hub_path("hub:a/b:main").config == "main");
  CHECK(parse_hub_path("hub:/data/snapshot:x/test").folder == "/data/snapshot");
  for (const char* bad :
       {"hub:a", "hub:", "hub:a/b/c", "hub:a/b@", "hub:a/..", "hub:a b/c", "hub:a/b:x/"})
    CHECK_THROWS_AS(parse_hub_path(bad), Error);
}

TEST_CASE("patterns") {
  CHECK(fits_pattern("sample/10BT/000.parquet", "sample/10BT/*"));
  CHECK_FALSE(fits_pattern("sample/10BT/x/000.parquet", "sample/10BT/*"));
  CHECK(fits_pattern("sample/10BT/x/000.parquet", "sample/**/*.parquet"));
  CHECK(fits_pattern("a.parquet", "**/*.parquet"));
  CHECK(fits_pattern("data/train-00000-of-00002.parquet", "data/train-*"));
  CHECK_FALSE(fits_pattern("data/test-0.parquet", "data/train-*"));
  CHECK(fits_pattern("a1.csv", "a?.csv"));
}

TEST_CASE("files of a split: by the card, by folders, by words") {
  Names files = {"README.md", "data/train-0.parquet", "data/test-0.parquet",
                 "sample/10BT/0.parquet", ".gitattributes"};
  std::string card =
      "---\nlicense: odc-by\nconfigs:\n- config_name: default\n  data_files:\n  - split: train\n   "
      " path: data/train-*\n"
      "  - split: test\n    path:\n    - \"data/test-*\"\n- config_name: sample-10BT\n  "
      "data_files:\n  - split: train\n    path: sample/10BT/*\n---\n# text\nconfigs: no\n";
  CHECK(chosen(files, card, "hub:a/b") == Names{"data/train-0.parquet"});
  CHECK(chosen(files, card, "hub:a/b:default/test") == Names{"data/test-0.parquet"});
  CHECK(chosen(files, card, "hub:a/b:sample-10BT/train") == Names{"sample/10BT/0.parquet"});
  CHECK(chosen(files, card, "hub:a/b:default/all").size() == 2);
  CHECK_THROWS_WITH(chosen(files, card, "hub:a/b:sample/train"), Catch::Contains("sample-10BT"));
  CHECK_THROWS_WITH(chosen(files, card, "hub:a/b:default/validation"),
                    Catch::Contains("test, train"));
  files = {"SFT/code/code.jsonl", "SFT/math/math.jsonl", "RL/x/x.jsonl", "main/train.parquet",
           "main/test.parquet"};
  CHECK(chosen(files, "", "hub:a/b:SFT/math") == Names{"SFT/math/math.jsonl"});
  CHECK(chosen(files, "", "hub:a/b:main/test") == Names{"main/test.parquet"});
  CHECK(chosen({"x.jsonl.gz", "y.txt.zst", "z.py"}, "", "hub:a/b") ==
        Names{"x.jsonl.gz", "y.txt.zst"});
}

TEST_CASE("a local cache of the hub's own tools is read where it lies") {
  TemporaryFolder folder;
  Variables variables;
  variables.set("HF_HUB_CACHE", folder.path());
  variables.set("HF_ENDPOINT", "http://127.0.0.1:9");  // nothing listens there
  write(folder, "datasets--owner--name/refs/main", "abc123");
  write(folder, "datasets--owner--name/blobs/b1", "{\"text\":\"one\"}\n");
  std::filesystem::create_directories(folder.path() +
                                      "/datasets--owner--name/snapshots/abc123/data");
  std::filesystem::create_symlink(
      "../../../blobs/b1",
      folder.path() + "/datasets--owner--name/snapshots/abc123/data/train.jsonl");
  SourcePtr source = open_source("hub:owner/name");
  CHECK(source->document(0).text == "one");
  CHECK(open_source("hub:" + folder.path() + "/datasets--owner--name/snapshots/abc123")
            ->document_count() == 1);
}

TEST_CASE("the hub: listing by pages, ranges, a cache, faults on the way") {
  std::string rows,
      zipped = read_file(
          (std::filesystem::path(__FILE__).parent_path() / "fixtures/zstd.parquet").string());
  std::vector<std::string> expected;
  // Longer than a chunk of 8 MiB.
  for (int i = 0; i < 1000; ++i) {
    expected.push_back("row " + std::to_string(i) + std::string(10'000, 'x'));
    rows += "{\"text\":\"" + expected.back() + "\"}\n";
  }
  HubServer server({{"README.md", "# no header"},
                    {"a/train/0.jsonl", rows},
                    {"b/train.parquet", zipped},
                    {"c/x.txt", "text"}});
  server.page_size(2);
  TemporaryFolder folder;
  Variables variables;
  variables.set("HF_ENDPOINT", server.url());
  variables.set("HF_HUB_CACHE", folder.path() + "/none");
  variables.set("HF_TOKEN", "secret");
  std::string cache = folder.path() + "/cache";
  Table options{{"cache", cache}};
  server.fail_next(
      {"HTTP/1.1 429 Too Many\r\nRateLimit: \"api\";r=0;t=0\r\nContent-Length: 0\r\n\r\n", "",
       "HTTP/1.1 503 Busy\r\nRetry-After: 0\r\nContent-Length: 0\r\n\r\n"});
  SourcePtr source = open_source("hub:owner/name:a/train", options);
  REQUIRE(source->document_count() == 1000);
  for (uint64_t i : {0, 500, 999}) CHECK((source->document(*source->nth(i)).text == expected[i]));
  for (const ServerRequest& request : server.requests())
    CHECK(request.authorization == "Bearer secret");
  CHECK(open_source("hub:owner/name:b/train", options)->document_count() == 30);

  // Everything is in the cache now: nothing is asked again, and the manifest is the same.
  size_t asked = server.requests().size();
  Table manifest = source->manifest();
  variables.set("HF_HUB_OFFLINE", "1");
  SourcePtr again = open_source("hub:owner/name:a/train", options);
  CHECK((again->document(*again->nth(999)).text == expected[999]));
  CHECK(server.requests().size() == asked);
  CHECK((again->manifest() == manifest));
  variables.set("HF_HUB_OFFLINE", "0");

  // A server that ignores ranges costs time, not data.
  server.ignore_ranges(true);
  Table fresh{{"cache", folder.path() + "/cache2"}};
  source = open_source("hub:owner/name:a/train", fresh);
  CHECK((source->document(*source->nth(999)).text == expected[999]));
  server.ignore_ranges(false);
  server.fail_next({"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"});
  CHECK_THROWS_WITH(open_source("hub:owner/other", fresh), Catch::Contains("404"));
  server.fail_next({"HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n"});
  CHECK_THROWS_WITH(open_source("hub:owner/other", fresh), Catch::Contains("HF_TOKEN"));
}

TEST_CASE("listings that cannot be are refused, also from the cache") {
  TemporaryFolder folder;
  Variables variables;
  variables.set("HF_HUB_CACHE", folder.path() + "/none");
  variables.set("HF_ENDPOINT", "http://127.0.0.1:9");  // nothing listens there
  write(folder, "cache/hub/owner--name/main.commit", "c0ffee");
  auto refused = [&](const std::string& listing, const std::string& why) {
    write(folder, "cache/hub/owner--name/c0ffee.json", listing);
    CHECK_THROWS_WITH(open_source("hub:owner/name", {{"cache", folder.path() + "/cache"}}),
                      Catch::Contains(why));
  };
  refused(R"([{"path": "train.csv", "hash": "ff"}])", "no 'size'");
  refused(R"([{}])", "no 'path'");
  refused(R"([{"path": "../train.csv", "hash": "ff", "size": 3}])", "'../train.csv'");
  refused(R"([{"path": "train.csv", "hash": "ff", "size": -1}])", "'train.csv' of");
  // Nothing of that size is allocated or asked for.
  refused(R"([{"path": "README.md", "hash": "ff", "size": 1000000000000}])", "a card of");
}

TEST_CASE("content is checked by the SHA-256 and the names that the hub gives") {
  std::string rows = "{\"text\":\"one\"}\n", long_rows;
  for (int i = 0; i < 900; ++i)
    long_rows += "{\"text\":\"" + std::string(10'000, static_cast<char>('a' + i % 26)) + "\"}\n";
  const std::string packed = std::string("(\xB5/\xFD", 4);
  HubServer server({{"README.md", ""},
                    {"good/train.jsonl", rows},
                    {"bad/train.jsonl", rows},
                    {"long/train.jsonl", long_rows},
                    {"packed/train.jsonl.zst", packed}});
  server.large_file("good/train.jsonl", sha256(rows));
  server.large_file("bad/train.jsonl", sha256("other"));
  server.large_file("long/train.jsonl", sha256(long_rows));
  server.large_file("packed/train.jsonl.zst", sha256("other"));
  TemporaryFolder folder;
  Variables variables;
  variables.set("HF_ENDPOINT", server.url());
  variables.set("HF_HUB_CACHE", folder.path() + "/none");
  Table options{{"cache", folder.path() + "/cache"}};
  CHECK(open_source("hub:owner/name:good/train", options)->document(0).text == "one");
  CHECK_THROWS_WITH(open_source("hub:owner/name:bad/train", options), Catch::Contains("SHA-256"));
  CHECK_THROWS_WITH(open_source("hub:owner/name:bad/train", options), Catch::Contains("SHA-256"));
  CHECK_THROWS_WITH(open_source("hub:owner/name:packed/train", options),
                    Catch::Contains("SHA-256"));
  // A range of a longer file: the answer itself says of which content it is.
  CHECK(open_source("hub:owner/name:long/train", options)->document(0).text ==
        std::string(10'000, 'a'));
  Table fresh{{"cache", folder.path() + "/cache2"}};
  CHECK(open_source("hub:owner/name:good/train", fresh)->document_count() == 1);  // lists all files
  server.large_file("long/train.jsonl", sha256("a newer version"));
  CHECK_THROWS_WITH(open_source("hub:owner/name:long/train", fresh),
                    Catch::Contains("another version"));
}

TEST_CASE("a file of several chunks is hashed as a whole, also when several runs fetched it") {
  constexpr uint64_t kChunk = 1000;
  std::string content;
  while (content.size() < 3500) content += std::to_string(content.size()) + " ";
  content.resize(3500);
  HubServer server(std::map<std::string, std::string>{{"data.parquet", content}});
  TemporaryFolder folder;
  const std::string kept = folder / "kept", url = server.url() + "/cdn/data.parquet";
  const auto open = [&](const std::string& hash = "") {
    return HubFile(url, "", content.size(), hash.empty() ? sha256(content) : hash, kept, kChunk);
  };
  const auto read = [&](const HubFile& file, uint64_t begin, uint64_t length) {
    return file.read(begin, length);
  };
  const auto asked = [&] { return server.requests().size(); };

  // An interrupted download that another run goes on with, and a third one that needs nothing.
  CHECK(read(open(), 100, 1200) == content.substr(100, 1200));
  CHECK(asked() == 2);
  CHECK_FALSE(path_exists(kept + "/checked"));
  const HubFile second = open();
  CHECK(read(second, 0, 3500) == content);
  CHECK(asked() == 4);
  CHECK(path_exists(kept + "/checked"));
  CHECK(read(open(), 0, 3500) == content);
  CHECK(asked() == 4);

  // What a disk or a person changed between two runs.
  std::filesystem::remove(kept + "/checked");
  std::filesystem::remove(kept + "/3");
  std::string damaged = read_file(kept + "/1");
  damaged[500] ^= 1;
  write_file_atomic(kept + "/1", damaged);
  CHECK_THROWS_WITH(read(open(), 3000, 500), Catch::Contains(url) && Catch::Contains("SHA-256") &&
                                                 Catch::Contains("thrown"));
  CHECK(read(open(), 0, 3500) == content);  // fetched anew
  CHECK(path_exists(kept + "/checked"));
  // The same where the run ended before it could check.
  std::filesystem::remove(kept + "/checked");
  write_file_atomic(kept + "/1", damaged);
  CHECK_THROWS_WITH(read(open(), 0, 10), Catch::Contains("SHA-256"));

  // Another content than the listing says: nothing of it stays.
  const HubFile wrong = open(sha256("something else"));
  CHECK(read(wrong, 0, 3000) == content.substr(0, 3000));
  CHECK_THROWS_WITH(read(wrong, 3000, 500), Catch::Contains("SHA-256"));
  CHECK_FALSE(path_exists(kept + "/0"));

  // Git's name of a small file is no SHA-256: nothing to compare with.
  CHECK(read(open("0123456789012345678901234567890123456789"), 0, 3500) == content);

  // Answers that are too short are asked for again; the patience of a HubFile is that of http_get.
  std::filesystem::remove_all(kept);
  server.fail_next({"HTTP/1.1 206 Partial Content\r\nContent-Length: 3\r\n\r\n0 2"});
  CHECK(read(open(), 0, 3500) == content);
  CHECK(path_exists(kept + "/checked"));
}

TEST_CASE("a revision that moves on does not move a run, and is named to a new one") {
  HubServer server(std::map<std::string, std::string>{{"train.jsonl", "{\"text\":\"one\"}\n"}});
  server.large_file("train.jsonl", sha256("{\"text\":\"one\"}\n"));
  TemporaryFolder folder;
  Variables variables;
  variables.set("HF_ENDPOINT", server.url());
  variables.set("HF_HUB_CACHE", folder.path() + "/none");
  Table options{{"cache", folder.path() + "/cache"}}, fresh{{"cache", folder.path() + "/cache2"}};
  const Table before = open_source("hub:owner/name", options)->manifest();

  server.move_to("beef");
  server.replace("train.jsonl", "{\"text\":\"two\"}\n");
  server.large_file("train.jsonl", sha256("{\"text\":\"two\"}\n"));
  SourcePtr same = open_source("hub:owner/name", options);
  CHECK(same->document(0).text == "one");
  CHECK(manifest_differences(before, same->manifest()).empty());
  SourcePtr moved = open_source("hub:owner/name", fresh);
  CHECK(moved->document(0).text == "two");
  CHECK(manifest_differences(before, moved->manifest()) ==
        std::vector<std::string>{"train.jsonl: content changed"});

  // A file that the hub has no more, of a run whose cache went away.
  Table third{{"cache", folder.path() + "/cache3"}};
  server.fail_next({"HTTP/1.1 200 OK\r\nContent-Length: 14\r\n\r\n{\"sha\":\"beef\"}",
                    "HTTP/1.1 200 OK\r\nContent-Length: 51\r\n\r\n"
                    "[{\"type\":\"file\",\"path\":\"gone/train.txt\",\"size\":9}]\n"});
  const SourcePtr gone = open_source("hub:owner/name", third);
  CHECK_THROWS_WITH(gone->document(0), Catch::Contains("gone/train.txt") && Catch::Contains("404"));
}

TEST_CASE("a connection that breaks is tried again, then given up with its reason") {
  HubServer server(std::map<std::string, std::string>{{"x.txt", "0123456789"}});
  HttpRequest request;
  request.url = server.url() + "/cdn/x.txt";
  request.begin = 2;
  request.length = 5;
  request.patience = 0.001;
  request.tries = 4;
  const std::string cut = "HTTP/1.1 206 Partial Content\r\nContent-Length: 5\r\n\r\n23";
  server.fail_next({cut, "", cut});
  CHECK(http_get(request).body == "23456");
  server.fail_next({cut, "", cut, ""});
  CHECK_THROWS_WITH(http_get(request), Catch::Contains("4 times"));
  request.length = 0;
  request.limit_bytes = 4;
  CHECK_THROWS_WITH(http_get(request), Catch::Contains("more than 4 bytes"));
  request.url = "file:///etc/hostname";
  request.tries = 1;
  CHECK_THROWS_AS(http_get(request), Error);
}

TEST_CASE("waits are what the server asks for") {
  HttpAnswer answer;
  CHECK(asked_wait(answer) == -1);
  answer.headers["ratelimit"] = "\"resolvers\";r=0;t=35";
  CHECK(asked_wait(answer) == 35);
  answer.headers["retry-after"] = "7";
  CHECK(asked_wait(answer) == 7);
}
