// The JSONL log: one object a step, no time in it, cut back when a run resumes.
#include "core/train/run_log.h"

#include "core/base/error.h"
#include "core/base/file.h"
#include "core/base/json.h"
#include "tests/catch.h"
#include "tests/temporary_folder.h"

using namespace rmkv;
using Catch::Matchers::Contains;

TEST_CASE("a log line is one object with the step first", "[run_log]") {
  TemporaryFolder folder;
  RunLog log(folder / "logs/run/log.jsonl");
  log.write(1, {{"loss", 2.5}, {"text", "a\nb"}}, {{"seconds", 0.1}});
  log.write(2, {});
  CHECK(read_file(folder / "logs/run/log.jsonl") ==
        "{\"step\":1,\"loss\":2.5,\"text\":\"a\\nb\"}\n{\"step\":2}\n");
  CHECK(read_file(folder / "logs/run/log.time.jsonl") == "{\"step\":1,\"seconds\":0.1}\n");
  CHECK_THROWS_WITH(log.write(3, {{"step", 3}}), Contains("step"));
}

TEST_CASE("a killed and resumed log equals that of an uninterrupted run", "[run_log]") {
  TemporaryFolder folder;
  auto write = [](RunLog& log, int64_t from, int64_t to, double time) {
    for (int64_t step = from; step <= to; ++step) {
      log.write(step, {{"loss", 1.0 / static_cast<double>(step)}}, {{"seconds", time}});
    }
  };
  RunLog straight(folder / "a.jsonl");
  write(straight, 1, 20, 1);
  {
    RunLog log(folder / "b.jsonl");
    write(log, 1, 13, 1);
  }
  append_file(folder / "b.jsonl", "{\"step\":14,\"lo");  // torn by the kill
  {
    RunLog log(folder / "b.jsonl", 10);
    write(log, 11, 20, 2);
  }
  CHECK(read_file(folder / "b.jsonl") == read_file(folder / "a.jsonl"));
  CHECK(parse_json("[" + read_file(folder / "b.time.jsonl").substr(0, 24) + "]", "t").is_list());
}

TEST_CASE("a new log puts an old one aside", "[run_log]") {
  TemporaryFolder folder;
  RunLog(folder / "a.jsonl").write(1, {{"run", 1}});
  RunLog(folder / "a.jsonl").write(1, {{"run", 2}});
  RunLog(folder / "a.jsonl").write(1, {{"run", 3}});
  CHECK(read_file(folder / "a.jsonl") == "{\"step\":1,\"run\":3}\n");
  CHECK(read_file(folder / "a.jsonl.1") == "{\"step\":1,\"run\":1}\n");
  CHECK(read_file(folder / "a.jsonl.2") == "{\"step\":1,\"run\":2}\n");
}

TEST_CASE("a log that is none is refused with its line", "[run_log]") {
  TemporaryFolder folder;
  write_file_atomic(folder / "a.jsonl", "{\"step\":1}\n{\"loss\":2}\n");
  CHECK_THROWS_WITH(RunLog(folder / "a.jsonl", 1), Contains("a.jsonl:2"));
  CHECK(read_file(folder / "a.jsonl") == "{\"step\":1}\n{\"loss\":2}\n");
}

TEST_CASE("numbers that JSON has not are null", "[run_log]") {
  TemporaryFolder folder;
  RunLog log(folder / "a.jsonl");
  log.write(1, {{"loss", NAN}, {"norm", INFINITY}});
  CHECK(read_file(folder / "a.jsonl") == "{\"step\":1,\"loss\":null,\"norm\":null}\n");
}
