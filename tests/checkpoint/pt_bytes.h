// Bytes of pickles, stored zip archives and .pt files, put together by hand for tests of their
// readers.
#pragma once

#include <zlib.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace rmkv {

inline std::string little(uint64_t value, int bytes) {
  std::string text;
  for (int i = 0; i < bytes; ++i) text += static_cast<char>(i < 8 ? value >> (8 * i) : 0);
  return text;
}

// --- pickle, protocol 2 ---
inline std::string pickled(const std::string& text) {
  return "X" + little(text.size(), 4) + text;
}
inline std::string pickled(int64_t value) {
  return std::string("\x8a\x08", 2) + little(static_cast<uint64_t>(value), 8);
}
inline std::string global(const std::string& module, const std::string& name) {
  return "c" + module + "\n" + name + "\n";
}
inline std::string tuple(const std::vector<std::string>& items) {
  std::string text = "(";
  for (const std::string& item : items) text += item;
  return text + "t";
}
inline std::string sizes(const std::vector<int64_t>& values) {
  std::vector<std::string> items;
  for (int64_t value : values) items.push_back(pickled(value));
  return tuple(items);
}
inline std::string storage(const std::string& type, const std::string& key, int64_t elements) {
  return tuple({pickled("storage"), global("torch", type), pickled(key), pickled("cpu"),
                pickled(elements)}) +
         "Q";
}
inline std::string tensor(const std::string& storage, int64_t offset,
                          const std::vector<int64_t>& shape, const std::vector<int64_t>& strides) {
  const std::string hooks = global("collections", "OrderedDict") + ")R";
  return global("torch._utils", "_rebuild_tensor_v2") +
         tuple({storage, pickled(offset), sizes(shape), sizes(strides), "\x89", hooks}) + "R";
}
inline std::string dictionary(const std::vector<std::pair<std::string, std::string>>& entries) {
  std::string text = "}(";
  for (const auto& [key, value] : entries) text += pickled(key) + value;
  return text + "u";
}
inline std::string stream(const std::string& body) {
  return "\x80\x02" + body + ".";
}

// --- zip, method 0 ---
struct ZipEntry {
  std::string name, data;
  uint16_t method = 0;
};
inline std::string stored_zip(const std::vector<ZipEntry>& entries) {
  std::string archive, directory;
  for (const ZipEntry& entry : entries) {
    const uint64_t crc = ::crc32(0, reinterpret_cast<const unsigned char*>(entry.data.data()),
                                 static_cast<unsigned>(entry.data.size()));
    const std::string facts = little(0, 2) + little(entry.method, 2) + little(0, 4) +
                              little(crc, 4) + little(entry.data.size(), 4) +
                              little(entry.data.size(), 4) + little(entry.name.size(), 2) +
                              little(0, 2);
    directory += little(0x02014b50, 4) + little(20, 2) + little(20, 2) + facts + little(0, 10) +
                 little(archive.size(), 4) + entry.name;
    archive += little(0x04034b50, 4) + little(20, 2) + facts + entry.name + entry.data;
  }
  return archive + directory + little(0x06054b50, 4) + little(0, 4) + little(entries.size(), 2) +
         little(entries.size(), 2) + little(directory.size(), 4) + little(archive.size(), 4) +
         little(0, 2);
}

inline std::string floats(const std::vector<float>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)};
}

// A .pt file with one pickle and storages "0", "1", ...
inline std::string pt_file(const std::string& body, const std::vector<std::string>& storages) {
  std::vector<ZipEntry> entries = {{"archive/data.pkl", stream(body)},
                                   {"archive/byteorder", "little"}};
  for (size_t i = 0; i < storages.size(); ++i) {
    entries.push_back({"archive/data/" + std::to_string(i), storages[i]});
  }
  entries.push_back({"archive/version", "3\n"});
  return stored_zip(entries);
}

// A small valid file: a state dictionary with two tensors, one of them transposed, and plain
// values.
inline std::string some_pt_file() {
  const std::string weights = storage("FloatStorage", "0", 6);
  return pt_file(
      dictionary(
          {{"model", dictionary({{"weight", tensor(weights, 0, {2, 3}, {3, 1})},
                                 {"turned", tensor(weights, 0, {3, 2}, {1, 3})},
                                 {"bias", tensor(storage("HalfStorage", "1", 2), 1, {1}, {1})}})},
           {"step", pickled(7)},
           {"name", pickled("tiny")}}),
      {floats({1, 2, 3, 4, 5, 6}), little(0x3c00, 2) + little(0x4000, 2)});
}

}  // namespace rmkv
