// Protocol buffer encoding by hand, TFRecord framing, and the cut at a step.
#include "core/train/event_file.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <optional>

#include "core/base/clock.h"
#include "core/base/error.h"
#include "core/base/file.h"

namespace rmkv {

namespace {

constexpr uint64_t kFrameBytes = 16;  // length 8, its checksum 4, the payload's checksum 4
constexpr const char* kNamePart = "events.out.tfevents.";
// Scalars are buffered up to this size; a crash loses at most this much of the curve.
constexpr size_t kBufferBytes = 1 << 16;

constexpr std::array<uint32_t, 256> make_crc_table() {
  std::array<uint32_t, 256> table{};
  for (uint32_t i = 0; i < 256; ++i) {
    uint32_t x = i;
    for (int bit = 0; bit < 8; ++bit) x = x & 1 ? x >> 1 ^ 0x82f63b78u : x >> 1;
    table[i] = x;
  }
  return table;
}

template <typename T>
std::string fixed(T value) {
  static_assert(std::endian::native == std::endian::little);
  return {reinterpret_cast<const char*>(&value), sizeof value};
}

std::string varint(uint64_t value) {
  std::string bytes;
  for (; value >= 128; value >>= 7) bytes += static_cast<char>(value | 128);
  return bytes + static_cast<char>(value);
}

// Protocol buffer fields: key = number << 3 | wire type (0 varint, 1 eight bytes, 2 length, 5 four
// bytes).
std::string varint_field(int number, uint64_t value) {
  return varint(static_cast<uint64_t>(number) << 3) + varint(value);
}
std::string double_field(int number, double value) {
  return varint(static_cast<uint64_t>(number) << 3 | 1) + fixed(value);
}
std::string bytes_field(int number, std::string_view value) {
  return varint(static_cast<uint64_t>(number) << 3 | 2) + varint(value.size()) + std::string(value);
}
std::string float_field(int number, float value) {
  return varint(static_cast<uint64_t>(number) << 3 | 5) + fixed(value);
}

std::string record(std::string_view payload) {
  std::string length = fixed(static_cast<uint64_t>(payload.size()));
  return length + fixed(masked_crc32c(length)) + std::string(payload) +
         fixed(masked_crc32c(payload));
}

// Event.wall_time 1, Event.step 2, then `content`.
std::string event_message(int64_t step, std::string_view content) {
  std::string message = double_field(1, unix_seconds());
  if (step != 0) message += varint_field(2, static_cast<uint64_t>(step));
  return message + std::string(content);
}

// The step of an encoded Event (field 2; 0 when absent), or nothing when it is no message.
std::optional<int64_t> event_step(std::string_view message) {
  auto read_varint = [&](uint64_t& value) {
    value = 0;
    for (int shift = 0; shift < 64 && !message.empty(); shift += 7) {
      unsigned char byte = static_cast<unsigned char>(message[0]);
      message.remove_prefix(1);
      value |= static_cast<uint64_t>(byte & 127) << shift;
      if (byte < 128) return true;
    }
    return false;
  };
  while (!message.empty()) {
    uint64_t key = 0, value = 0, skip = 0;
    if (!read_varint(key)) return std::nullopt;
    switch (key & 7) {
      case 0:
        if (!read_varint(value)) return std::nullopt;
        if (key >> 3 == 2) return static_cast<int64_t>(value);
        break;
      case 1:
        skip = 8;
        break;
      case 2:
        if (!read_varint(skip)) return std::nullopt;
        break;
      case 5:
        skip = 4;
        break;
      default:
        return std::nullopt;
    }
    if (skip > message.size()) return std::nullopt;
    message.remove_prefix(skip);
  }
  return 0;
}

// The records of `bytes` up to `last_step`; a damaged record ends the file.
std::string records_until(std::string_view bytes, int64_t last_step) {
  std::string kept;
  while (bytes.size() >= kFrameBytes) {
    uint64_t length = 0;
    uint32_t length_crc = 0, payload_crc = 0;
    std::memcpy(&length, bytes.data(), 8);
    std::memcpy(&length_crc, bytes.data() + 8, 4);
    if (masked_crc32c(bytes.substr(0, 8)) != length_crc) break;
    if (length > bytes.size() - kFrameBytes) break;
    std::string_view payload = bytes.substr(12, length);
    std::memcpy(&payload_crc, bytes.data() + 12 + length, 4);
    if (masked_crc32c(payload) != payload_crc) break;
    std::optional<int64_t> step = event_step(payload);
    if (!step) break;
    if (*step <= last_step) kept += bytes.substr(0, kFrameBytes + length);
    bytes.remove_prefix(kFrameBytes + length);
  }
  return kept;
}

std::string host_name() {
  char name[256] = "localhost";
  ::gethostname(name, sizeof name - 1);
  return name;
}

}  // namespace

uint32_t crc32c(std::string_view bytes) {
  static constexpr std::array<uint32_t, 256> kTable = make_crc_table();
  uint32_t crc = ~0u;
  for (unsigned char byte : bytes) crc = kTable[(crc ^ byte) & 255] ^ crc >> 8;
  return ~crc;
}

uint32_t masked_crc32c(std::string_view bytes) {
  return std::rotr(crc32c(bytes), 15) + 0xa282ead8u;
}

void truncate_event_files(const std::string& folder, int64_t last_step) {
  if (!is_folder(folder)) return;
  for (const std::string& name : list_folder(folder)) {
    if (name.find(kNamePart) == std::string::npos) continue;
    const std::string path = folder + "/" + name, bytes = read_file(path);
    const std::string kept = records_until(bytes, last_step);
    if (kept.size() != bytes.size()) write_file_atomic(path, kept);
  }
}

EventFile::EventFile(const std::string& folder, int64_t resume_step) {
  make_folders(folder);
  if (resume_step >= 0) truncate_event_files(folder, resume_step);
  const std::string seconds = std::to_string(static_cast<int64_t>(unix_seconds()));
  const std::string base = folder + "/" + kNamePart +
                           std::string(10 - std::min<size_t>(10, seconds.size()), '0') + seconds +
                           "." + host_name() + "." + std::to_string(::getpid());
  // Two files of one second and one process (a run resumed inside a program) get different numbers.
  for (int i = 0; path_.empty() || path_exists(path_); ++i) path_ = base + "." + std::to_string(i);
  buffer_ = record(event_message(0, bytes_field(3, "brain.Event:2")));  // Event.file_version
  flush();
}

EventFile::~EventFile() {
  try {
    flush();
  } catch (const Error&) {
    // A destructor cannot report; whoever cares calls flush().
  }
}

void EventFile::event(int64_t step, const std::string& summary) {
  buffer_ += record(event_message(step, bytes_field(5, summary)));  // Event.summary
  if (buffer_.size() >= kBufferBytes) flush();
}

void EventFile::scalar(const std::string& tag, int64_t step, double value) {
  // Summary.value 1 { tag 1, simple_value 2 }
  event(step, bytes_field(1, bytes_field(1, tag) + float_field(2, static_cast<float>(value))));
}

void EventFile::text(const std::string& tag, int64_t step, const std::string& content) {
  // Summary.value 1 { tag 1, metadata 9 { plugin_data 1 { plugin_name 1 } }, tensor 8 { dtype 1 =
  // DT_STRING 7, tensor_shape 2 { dim 2 { size 1 } }, string_val 8 } }
  const std::string metadata = bytes_field(1, bytes_field(1, "text"));
  const std::string shape = bytes_field(2, varint_field(1, 1));
  const std::string tensor = varint_field(1, 7) + bytes_field(2, shape) + bytes_field(8, content);
  event(step,
        bytes_field(1, bytes_field(1, tag) + bytes_field(8, tensor) + bytes_field(9, metadata)));
}

void EventFile::flush() {
  if (buffer_.empty()) return;
  append_file(path_, buffer_);
  buffer_.clear();
}

}  // namespace rmkv
