// Writers and readers of ids.
#include "tokenizer/id_format.h"

#include <array>
#include <charconv>
#include <cstring>
#include <utility>

#include "core/base/error.h"

namespace rmkv {
namespace {

constexpr std::string_view kNpyMagic("\x93NUMPY\x01\x00", 8);

template <typename Integer>
std::string pack(std::span<const int32_t> ids) {
  std::string out(ids.size() * sizeof(Integer), '\0');
  char* to = out.data();
  for (const int32_t id : ids) {
    const auto value = static_cast<Integer>(id);
    std::memcpy(to, &value, sizeof(Integer));
    to += sizeof(Integer);
  }
  return out;
}

[[noreturn]] void fail_id(const std::string& where, const std::string& got) {
  fail(where, got, "token ids from 0 to 2147483647");
}

template <typename Integer>
std::vector<int32_t> unpack(std::string_view bytes, const std::string& where) {
  if (bytes.size() % sizeof(Integer) != 0) {
    fail(where, std::to_string(bytes.size()) + " bytes",
         "a multiple of " + std::to_string(sizeof(Integer)));
  }
  std::vector<int32_t> ids;
  ids.reserve(bytes.size() / sizeof(Integer));
  for (size_t at = 0; at < bytes.size(); at += sizeof(Integer)) {
    Integer value;
    std::memcpy(&value, bytes.data() + at, sizeof(Integer));
    if (!std::in_range<int32_t>(value) || value < Integer{0}) {
      fail_id(where, std::to_string(value));
    }
    ids.push_back(static_cast<int32_t>(value));
  }
  return ids;
}

std::vector<int32_t> read_text(std::string_view text, const std::string& where) {
  std::vector<int32_t> ids;
  const char* const end = text.data() + text.size();
  const auto divides = [](char c) {
    return c == ' ' || c == '\n' || c == '\r' || c == '\t' || c == ',' || c == '[' || c == ']';
  };
  for (const char* p = text.data(); p < end;) {
    if (divides(*p)) {
      ++p;
      continue;
    }
    int32_t id = -1;
    const auto [stop, error] = std::from_chars(p, end, id);
    if (error != std::errc() || id < 0 || (stop < end && !divides(*stop))) {
      const char* word_end = p;
      while (word_end < end && word_end < p + 40 && !divides(*word_end)) ++word_end;
      fail_id(where, "'" + std::string(p, word_end) + "'");
    }
    ids.push_back(id);
    p = stop;
  }
  return ids;
}

std::string npy_header(size_t count) {
  std::string header =
      "{'descr': '<u4', 'fortran_order': False, 'shape': (" + std::to_string(count) + ",), }";
  // Magic, length and header together are a multiple of 64 and end in a newline.
  header.append(63 - (kNpyMagic.size() + 2 + header.size()) % 64, ' ');
  header += '\n';
  std::string out(kNpyMagic);
  out += static_cast<char>(header.size() & 255);
  out += static_cast<char>(header.size() >> 8);
  return out + header;
}

std::vector<int32_t> read_npy(std::string_view bytes, const std::string& where) {
  if (!bytes.starts_with(kNpyMagic.substr(0, 6)) || bytes.size() < 12) {
    fail(where, "no NumPy array", "a .npy file");
  }
  const auto byte = [&](size_t i) {
    return static_cast<size_t>(static_cast<unsigned char>(bytes[i]));
  };
  const bool first_version = byte(6) == 1;
  const size_t start = first_version ? 10 : 12;
  size_t size = byte(8) | byte(9) << 8;
  if (!first_version) size |= byte(10) << 16 | byte(11) << 24;
  if (bytes.size() < start + size) fail(where, "a header cut short", "a whole .npy file");
  const std::string_view header = bytes.substr(start, size);
  const std::string_view data = bytes.substr(start + size);
  const size_t key = header.find("'descr'");
  const size_t open = key == std::string_view::npos ? key : header.find('\'', key + 7);
  const size_t close = open == std::string_view::npos ? open : header.find('\'', open + 1);
  if (close == std::string_view::npos) fail(where, "a header without type", "a .npy file");
  const std::string_view type = header.substr(open + 1, close - open - 1);
  if (type == "|u1") return unpack<uint8_t>(data, where);
  if (type == "<u2") return unpack<uint16_t>(data, where);
  if (type == "<i2") return unpack<int16_t>(data, where);
  if (type == "<u4") return unpack<uint32_t>(data, where);
  if (type == "<i4") return unpack<int32_t>(data, where);
  if (type == "<u8") return unpack<uint64_t>(data, where);
  if (type == "<i8") return unpack<int64_t>(data, where);
  fail(where, "type '" + std::string(type) + "'", "whole numbers");
}

}  // namespace

IdFormat parse_id_format(std::string_view name) {
  if (name == "text") return IdFormat::kText;
  if (name == "json") return IdFormat::kJson;
  if (name == "u16" || name == "uint16") return IdFormat::kU16;
  if (name == "u32" || name == "uint32") return IdFormat::kU32;
  if (name == "npy") return IdFormat::kNpy;
  fail("tokenizer.ids", unknown_name_text("format", name, {"text", "json", "u16", "u32", "npy"}),
       "a known format");
}

std::string write_ids(std::span<const int32_t> ids, IdFormat format) {
  switch (format) {
    case IdFormat::kU16:
      for (const int32_t id : ids) {
        if (id > 0xFFFF) fail("tokenizer.ids", "id " + std::to_string(id), "at most 65535 in u16");
      }
      return pack<uint16_t>(ids);
    case IdFormat::kU32:
      return pack<uint32_t>(ids);
    case IdFormat::kNpy:
      return npy_header(ids.size()) + pack<uint32_t>(ids);
    default:
      break;
  }
  std::string out;
  append_id_line(ids, format == IdFormat::kJson, out);
  return out;
}

void append_id_line(std::span<const int32_t> ids, bool is_json, std::string& out) {
  // Through a buffer of our own: appending to a string number by number takes twice the time.
  std::array<char, 4096> buffer;
  constexpr size_t kMaxNumber = 16;  // with what stands in front
  char* end = buffer.data();
  if (is_json) *end++ = '[';
  for (size_t i = 0; i < ids.size(); ++i) {
    if (end > buffer.data() + buffer.size() - kMaxNumber) {
      out.append(buffer.data(), static_cast<size_t>(end - buffer.data()));
      end = buffer.data();
    }
    if (i > 0 && is_json) *end++ = ',';
    if (i > 0) *end++ = ' ';
    end = std::to_chars(end, buffer.data() + buffer.size(), ids[i]).ptr;
  }
  out.append(buffer.data(), static_cast<size_t>(end - buffer.data()));
  out += is_json ? "]\n" : "\n";
}

std::vector<int32_t> read_ids(std::string_view bytes, IdFormat format, const std::string& where) {
  switch (format) {
    case IdFormat::kU16:
      return unpack<uint16_t>(bytes, where);
    case IdFormat::kU32:
      return unpack<uint32_t>(bytes, where);
    case IdFormat::kNpy:
      return read_npy(bytes, where);
    default:
      return read_text(bytes, where);
  }
}

}  // namespace rmkv
