// TensorBoard event files: checksums, framing, bytes, and the cut at a resumed step.
#include "core/train/event_file.h"

#include <cstring>
#include <vector>

#include "core/base/error.h"
#include "core/base/file.h"
#include "tests/catch.h"
#include "tests/temporary_folder.h"

using namespace rmkv;

namespace {

std::vector<std::string> event_files(const std::string& folder) {
  std::vector<std::string> paths;
  for (const std::string& name : list_folder(folder)) paths.push_back(folder + "/" + name);
  return paths;
}

// Payloads of all records, after checks of both checksums.
std::vector<std::string> records(const std::string& path) {
  const std::string bytes = read_file(path);
  std::vector<std::string> payloads;
  for (size_t at = 0; at < bytes.size();) {
    uint64_t length = 0;
    uint32_t crc = 0;
    std::memcpy(&length, bytes.data() + at, 8);
    std::memcpy(&crc, bytes.data() + at + 8, 4);
    REQUIRE(crc == masked_crc32c(std::string_view(bytes).substr(at, 8)));
    payloads.push_back(bytes.substr(at + 12, length));
    std::memcpy(&crc, bytes.data() + at + 12 + length, 4);
    REQUIRE(crc == masked_crc32c(payloads.back()));
    at += length + 16;
  }
  return payloads;
}

// Event without its wall time (9 bytes).
std::vector<std::string> timeless(const std::string& folder) {
  std::vector<std::string> all;
  for (const std::string& path : event_files(folder)) {
    for (const std::string& payload : records(path)) {
      if (payload.find("brain.Event:2") == std::string::npos) all.push_back(payload.substr(9));
    }
  }
  return all;
}

}  // namespace

TEST_CASE("crc32c has its published values", "[events]") {
  // RFC 3720, section B.4.
  CHECK(crc32c(std::string(32, '\0')) == 0x8a9136aau);
  CHECK(crc32c(std::string(32, '\xff')) == 0x62a8ab43u);
  CHECK(crc32c("123456789") == 0xe3069283u);
  CHECK(crc32c("") == 0);
  // Rotated right by 15 bits, plus 0xa282ead8.
  CHECK(masked_crc32c("123456789") == ((0xe3069283u >> 15 | 0xe3069283u << 17) + 0xa282ead8u));
}

TEST_CASE("events are encoded as their messages say", "[events]") {
  TemporaryFolder folder;
  {
    EventFile events(folder.path());
    events.scalar("loss", 300, 1.5);
    events.text("sample", 7, "hi");
  }
  const std::vector<std::string> all = records(event_files(folder.path())[0]);
  REQUIRE(all.size() == 3);
  CHECK(all[0].substr(9) ==
        "\x1a\x0d"
        "brain.Event:2");
  CHECK(all[0][0] == 0x09);
  // step 300; summary { value { tag "loss" simple_value 1.5 } }
  CHECK(all[1].substr(9) ==
        std::string("\x10\xac\x02\x2a\x0d\x0a\x0b\x0a\x04loss\x15\x00\x00\xc0\x3f", 18));
  // summary { value { tag, tensor { dtype 7, shape { dim { size 1 } }, string_val }, metadata {
  // plugin "text" } } }
  CHECK(
      all[2].substr(9) ==
      std::string(
          "\x10\x07\x2a\x22\x0a\x20\x0a\x06sample\x42\x0c\x08\x07\x12\x04\x12\x02\x08\x01\x42\x02hi"
          "\x4a\x08\x0a\x06\x0a\x04text",
          38));
}

TEST_CASE("a resumed run leaves the curve of one that never stopped", "[events]") {
  TemporaryFolder straight, broken;
  auto write = [](EventFile& events, int64_t from, int64_t to) {
    for (int64_t step = from; step <= to; ++step) {
      events.scalar("loss", step, 10.0 / static_cast<double>(step));
      if (step % 5 == 0) events.text("sample", step, "text " + std::to_string(step));
    }
  };
  {
    EventFile events(straight.path());
    write(events, 1, 30);
  }
  {
    EventFile events(broken.path());
    write(events, 1, 17);  // killed here; the checkpoint was at 12
  }
  append_file(event_files(broken.path())[0], "half a record");
  {
    EventFile events(broken.path(), 12);
    write(events, 13, 21);
  }
  {
    EventFile events(broken.path(), 20);
    write(events, 21, 30);
  }
  CHECK(event_files(broken.path()).size() == 3);
  CHECK(timeless(broken.path()) == timeless(straight.path()));
}

TEST_CASE("cutting at a step leaves other files alone", "[events]") {
  TemporaryFolder folder;
  write_file_atomic(folder / "notes.txt", "text");
  truncate_event_files(folder.path(), 0);
  truncate_event_files(folder / "none", 0);
  CHECK(read_file(folder / "notes.txt") == "text");
}
