// The central directory is read once; every number in it is checked before it is used.
#include "core/checkpoint/zip_reader.h"

#include <zlib.h>

#include <algorithm>
#include <cstdint>
#include <vector>

#include "core/base/error.h"

namespace rmkv {

namespace {

constexpr uint32_t kEndSignature = 0x06054b50, kEnd64Signature = 0x06064b50;
constexpr uint32_t kLocator64Signature = 0x07064b50, kEntrySignature = 0x02014b50;
constexpr uint32_t kLocalSignature = 0x04034b50;
constexpr uint64_t kEndSize = 22, kLocator64Size = 20, kEnd64Size = 56;
constexpr uint64_t kEntrySize = 46, kLocalSize = 30;
constexpr uint64_t kMaxEntries = 1'000'000;
constexpr uint16_t kZip64Extra = 1;

class Archive {
 public:
  Archive(std::string_view bytes, const std::string& name) : bytes_(bytes), name_(name) {}

  [[noreturn]] void refuse(const std::string& reason) const {
    fail_because(name_, "not a readable zip archive: " + reason);
  }
  // `count` bytes at `at`, little endian.
  uint64_t number(uint64_t at, int count) const {
    std::string_view piece = range(at, static_cast<uint64_t>(count));
    uint64_t value = 0;
    for (int i = count; i-- > 0;) value = value << 8 | static_cast<unsigned char>(piece[i]);
    return value;
  }
  std::string_view range(uint64_t at, uint64_t count) const {
    if (at > bytes_.size() || count > bytes_.size() - at) refuse("it is cut short");
    return bytes_.substr(at, count);
  }
  uint64_t size() const { return bytes_.size(); }

  // The end record stands in the last 64 KiB (its comment may follow it).
  uint64_t find_end() const {
    if (size() < kEndSize) refuse("it is too short");
    uint64_t lowest = size() - std::min<uint64_t>(size(), kEndSize + 65535);
    for (uint64_t at = size() - kEndSize + 1; at-- > lowest;) {
      if (number(at, 4) == kEndSignature) return at;
    }
    refuse("it has no end record; it is cut short or another format");
  }

 private:
  std::string_view bytes_;
  const std::string& name_;
};

struct Directory {
  uint64_t entries, size, offset;
};

Directory read_end(const Archive& archive) {
  uint64_t end = archive.find_end();
  Directory directory{archive.number(end + 10, 2), archive.number(end + 12, 4),
                      archive.number(end + 16, 4)};
  bool is64 =
      end >= kLocator64Size && archive.number(end - kLocator64Size, 4) == kLocator64Signature;
  if (is64) {
    uint64_t at = archive.number(end - kLocator64Size + 8, 8);
    archive.range(at, kEnd64Size);
    if (archive.number(at, 4) != kEnd64Signature) archive.refuse("its zip64 end record is damaged");
    directory = {archive.number(at + 32, 8), archive.number(at + 40, 8),
                 archive.number(at + 48, 8)};
  }
  if (directory.entries > kMaxEntries) archive.refuse("it claims more than a million entries");
  archive.range(directory.offset, directory.size);
  return directory;
}

struct Entry {
  std::string name;
  uint64_t method, flags, crc, packed, size, offset, next;
};

Entry read_entry(const Archive& archive, uint64_t at) {
  archive.range(at, kEntrySize);
  if (archive.number(at, 4) != kEntrySignature) archive.refuse("its directory is damaged");
  Entry entry{"",
              archive.number(at + 10, 2),
              archive.number(at + 8, 2),
              archive.number(at + 16, 4),
              archive.number(at + 20, 4),
              archive.number(at + 24, 4),
              archive.number(at + 42, 4),
              0};
  uint64_t name_size = archive.number(at + 28, 2), extra_size = archive.number(at + 30, 2);
  entry.name = archive.range(at + kEntrySize, name_size);
  uint64_t extra = at + kEntrySize + name_size, extra_end = extra + extra_size;
  entry.next = extra_end + archive.number(at + 32, 2);
  archive.range(at, entry.next - at);
  // Fields of 0xffffffff stand in the zip64 extra, in this order.
  while (extra + 4 <= extra_end) {
    uint64_t id = archive.number(extra, 2), size = archive.number(extra + 2, 2), field = extra + 4;
    uint64_t field_end = field + size;
    if (field_end > extra_end) archive.refuse("an extra field of '" + entry.name + "' is damaged");
    if (id == kZip64Extra) {
      for (uint64_t* value : {&entry.size, &entry.packed, &entry.offset}) {
        if (*value != UINT32_MAX) continue;
        if (field + 8 > field_end)
          archive.refuse("a zip64 size of '" + entry.name + "' is missing");
        *value = archive.number(field, 8);
        field += 8;
      }
    }
    extra = field_end;
  }
  return entry;
}

std::string_view entry_data(const Archive& archive, const Entry& entry) {
  if (entry.method != 0 || entry.packed != entry.size) {
    archive.refuse("'" + entry.name + "' is compressed; torch stores its entries plain");
  }
  if (entry.flags & 1) archive.refuse("'" + entry.name + "' is encrypted");
  archive.range(entry.offset, kLocalSize);
  if (archive.number(entry.offset, 4) != kLocalSignature) {
    archive.refuse("the header of '" + entry.name + "' is damaged");
  }
  uint64_t begin = entry.offset + kLocalSize + archive.number(entry.offset + 26, 2) +
                   archive.number(entry.offset + 28, 2);
  return archive.range(begin, entry.size);
}

uint32_t crc_of(std::string_view data) {
  return static_cast<uint32_t>(
      ::crc32_z(0, reinterpret_cast<const unsigned char*>(data.data()), data.size()));
}

}  // namespace

std::map<std::string, std::string_view> read_stored_zip(std::string_view bytes,
                                                        const std::string& name, bool check_crc) {
  Archive archive(bytes, name);
  Directory directory = read_end(archive);
  std::map<std::string, std::string_view> entries;
  std::vector<std::pair<uint64_t, uint64_t>> ranges;
  uint64_t at = directory.offset;
  for (uint64_t i = 0; i < directory.entries; ++i) {
    Entry entry = read_entry(archive, at);
    at = entry.next;
    if (at > directory.offset + directory.size) archive.refuse("its directory is cut short");
    std::string_view data = entry_data(archive, entry);
    if (check_crc && crc_of(data) != entry.crc) {
      archive.refuse("'" + entry.name + "' is damaged (its CRC-32 does not fit)");
    }
    uint64_t begin = static_cast<uint64_t>(data.data() - bytes.data());
    ranges.emplace_back(begin, begin + data.size());
    if (!entries.emplace(entry.name, data).second) {
      archive.refuse("'" + entry.name + "' stands in it twice");
    }
  }
  std::sort(ranges.begin(), ranges.end());
  for (size_t i = 1; i < ranges.size(); ++i) {
    if (ranges[i].first < ranges[i - 1].second) archive.refuse("its entries overlap");
  }
  return entries;
}

}  // namespace rmkv
