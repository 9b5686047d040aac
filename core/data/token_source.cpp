// Headers of token files, and reading by range.
#include "core/data/token_source.h"

#include <algorithm>
#include <cstring>

#include "core/base/file.h"
#include "core/base/random.h"

namespace rmkv {

namespace {

constexpr uint64_t kLargestDocument = uint64_t{1} << 28;  // tokens
constexpr int32_t kLlmcMagic = 20240520, kLlmcMagic32 = 20240801;
constexpr uint64_t kLlmcHeader = 256 * 4;

template <typename T>
T read_number(const ByteFile& file, uint64_t at) {
  std::string bytes = file.read(at, sizeof(T));
  T value;
  std::memcpy(&value, bytes.data(), sizeof(T));
  return value;
}

// The text behind 'key': in a .npy header, up to its end.
std::string after_key(const std::string& header, const std::string& key) {
  size_t at = header.find("'" + key + "'");
  if (at == std::string::npos) return "";
  at = header.find(':', at);
  if (at == std::string::npos) return "";
  at = header.find_first_not_of(" ", at + 1);
  return at == std::string::npos ? "" : header.substr(at);
}

}  // namespace

void TokenSource::read_npy(File& file) {
  const ByteFile& bytes = *file.source.file;
  std::string head = bytes.read(0, std::min<uint64_t>(12, bytes.size_bytes()));
  if (head.size() < 12 || head.compare(0, 6, "\x93NUMPY") != 0)
    fail(bytes.path(), "another beginning", "the magic word of a .npy file");
  uint64_t length =
      static_cast<uint8_t>(head[8]) | static_cast<uint64_t>(static_cast<uint8_t>(head[9])) << 8;
  uint64_t at = 10;
  if (head[6] >= 2) {
    length |= static_cast<uint64_t>(static_cast<uint8_t>(head[10])) << 16 |
              static_cast<uint64_t>(static_cast<uint8_t>(head[11])) << 24;
    at = 12;
  }
  if (length > (1 << 20))
    fail(bytes.path(), "a header of " + std::to_string(length) + " bytes", "at most 1 MiB");
  std::string header = bytes.read(at, length);
  std::string type = after_key(header, "descr").substr(0, 5), shape = after_key(header, "shape");
  static const std::vector<std::pair<std::string, std::pair<int, bool>>> kTypes = {
      {"'|u1'", {1, false}}, {"'<u2'", {2, false}}, {"'<i2'", {2, true}}, {"'<u4'", {4, false}},
      {"'<i4'", {4, true}},  {"'<u8'", {8, false}}, {"'<i8'", {8, true}}};
  auto known = std::find_if(kTypes.begin(), kTypes.end(),
                            [&](const auto& entry) { return entry.first == type; });
  if (known == kTypes.end()) fail(bytes.path(), "elements " + type, "whole numbers, little-endian");
  if (after_key(header, "fortran_order").compare(0, 5, "False") != 0)
    fail(bytes.path(), "column-major order", "row-major order");
  std::vector<uint64_t> sizes;
  size_t close = shape.find(')');
  if (shape.empty() || shape[0] != '(' || close == std::string::npos)
    fail(bytes.path(), "no shape in the header", "(n,) or (n, m)");
  for (size_t i = 1; i < close;) {
    if (shape[i] < '0' || shape[i] > '9') {
      ++i;
      continue;
    }
    uint64_t number = 0;
    for (; i < close && shape[i] >= '0' && shape[i] <= '9'; ++i) {
      if (number > (uint64_t{1} << 50)) fail(bytes.path(), "an absurd shape", "(n,) or (n, m)");
      number = number * 10 + static_cast<uint64_t>(shape[i] - '0');
    }
    sizes.push_back(number);
  }
  if (sizes.empty() || sizes.size() > 2)
    fail(bytes.path(), std::to_string(sizes.size()) + " dimensions", "1 or 2");
  file.width = known->second.first;
  file.is_signed = known->second.second;
  file.begin = at + length;
  uint64_t room = (bytes.size_bytes() - file.begin) / static_cast<uint64_t>(file.width);
  uint64_t columns = sizes.size() == 2 ? sizes[1] : 1;
  if (columns != 0 && sizes[0] > room / columns) {
    fail(bytes.path(), "room for " + std::to_string(room) + " tokens", "as many as the shape says",
         "the file was cut off");
  }
  file.tokens = sizes[0] * columns;
  file.row_tokens = sizes.size() == 2 ? columns : 0;
  if (file.row_tokens > kLargestDocument)
    fail(bytes.path(), "rows of " + std::to_string(columns) + " tokens", "at most 2^28");
}

void TokenSource::read_llmc(File& file) {
  const ByteFile& bytes = *file.source.file;
  if (bytes.size_bytes() < kLlmcHeader)
    fail(bytes.path(), std::to_string(bytes.size_bytes()) + " bytes", "a header of 1024 bytes",
         "Megatron-LM's .bin needs its .idx beside it");
  int32_t magic = read_number<int32_t>(bytes, 0);
  if (magic != kLlmcMagic && magic != kLlmcMagic32) {
    fail(bytes.path(), "the first number " + std::to_string(magic), "20240520 or 20240801 of llm.c",
         "Megatron-LM's .bin needs its .idx beside it");
  }
  file.width = magic == kLlmcMagic ? 2 : 4;
  file.begin = kLlmcHeader;
  file.tokens = read_number<uint32_t>(bytes, 8);
  uint64_t room = (bytes.size_bytes() - kLlmcHeader) / static_cast<uint64_t>(file.width);
  if (file.tokens > room) {
    fail(bytes.path(), "room for " + std::to_string(room) + " tokens",
         std::to_string(file.tokens) + " as the header says", "the file was cut off");
  }
  file.separator = magic == kLlmcMagic ? 50256 : 128000;
}

void TokenSource::read_megatron(File& file, const std::string& cache_folder) {
  const ByteFile& bytes = *file.source.file;
  std::string path = bytes.path().substr(0, bytes.path().size() - 4) + ".idx";
  file.index = open_byte_file(path, cache_folder);
  const ByteFile& index = *file.index;
  uint64_t size = index.size_bytes();
  if (size < 34 || index.read(0, 9) != std::string("MMIDIDX\0\0", 9))
    fail(path, "another beginning", "the magic word MMIDIDX");
  uint64_t version = read_number<uint64_t>(index, 9);
  if (version != 1) fail(path, "version " + std::to_string(version), "1");
  int code = read_number<uint8_t>(index, 17);
  static const std::pair<int, bool> kTypes[] = {{0, false}, {1, false}, {1, true},
                                                {2, true},  {4, true},  {8, true},
                                                {0, false}, {0, false}, {2, false}};
  if (code > 8 || kTypes[code].first == 0)
    fail(path, "element type " + std::to_string(code), "a type of whole numbers");
  file.width = kTypes[code].first;
  file.is_signed = kTypes[code].second;
  file.sequences = read_number<uint64_t>(index, 18);
  uint64_t documents = read_number<uint64_t>(index, 26);
  uint64_t room = size - 34;
  if (file.sequences > room / 12 || documents > (room - file.sequences * 12) / 8 || documents < 1) {
    fail(path,
         std::to_string(size) + " bytes for " + std::to_string(file.sequences) + " sequences and " +
             std::to_string(documents) + " borders of documents",
         "a whole file");
  }
  file.lengths_at = 34;
  file.pointers_at = 34 + 4 * file.sequences;
  file.documents_at = 34 + 12 * file.sequences;
  file.tokens = bytes.size_bytes() / static_cast<uint64_t>(file.width);
  file.documents = documents - 1;
}

TokenSource::TokenSource(std::string name, std::vector<SourceFile> files,
                         TokenSourceOptions options)
    : name_(std::move(name)), options_(options) {
  std::string where = "source " + name_;
  if (files.empty()) fail(where, "no files", "at least one");
  if (options_.piece_tokens < 2)
    fail(where + ": piece_tokens", std::to_string(options_.piece_tokens), "2 or more");
  for (SourceFile& given : files) {
    File file;
    file.source = std::move(given);
    const std::string& path = file.source.file->path();
    bool npy = path.size() > 4 && path.compare(path.size() - 4, 4, ".npy") == 0;
    bool indexed = !npy && path.size() > 4 && path_exists(path.substr(0, path.size() - 4) + ".idx");
    if (npy)
      read_npy(file);
    else if (indexed)
      read_megatron(file, "");
    else
      read_llmc(file);
    if (options_.separator >= 0) file.separator = options_.separator;
    uint64_t piece = static_cast<uint64_t>(options_.piece_tokens);
    if (file.row_tokens > 0)
      file.documents = file.tokens / file.row_tokens;
    else if (!indexed)
      file.documents = (file.tokens + piece - 1) / piece;
    file.first = count_;
    count_ += file.documents;
    files_.push_back(std::move(file));
  }
  if (count_ == 0) fail(where, "no tokens in " + files_[0].source.file->path(), "tokens");
}

const TokenSource::File& TokenSource::file_of(uint64_t id) const {
  RMKV_ASSERT(id < count_);
  auto next = std::upper_bound(files_.begin(), files_.end(), id,
                               [](uint64_t at, const File& file) { return at < file.first; });
  return *(next - 1);
}

std::vector<int32_t> TokenSource::read(const File& file, uint64_t first_token,
                                       uint64_t count) const {
  const uint64_t width = static_cast<uint64_t>(file.width);
  if (count > kLargestDocument)
    throw BadDocument(file.source.file->path() + ": got a document of " + std::to_string(count) +
                      " tokens, expected at most 2^28");
  std::string bytes = file.source.file->read(file.begin + first_token * width, count * width);
  std::vector<int32_t> tokens(count);
  for (uint64_t i = 0; i < count; ++i) {
    uint64_t value = 0;
    std::memcpy(&value, bytes.data() + i * width, width);
    // A negative number has its sign bit set and fails the same test.
    uint64_t limit = file.is_signed ? uint64_t{1} << (8 * width - 1) : 0;
    if (value > INT32_MAX || (limit != 0 && value >= limit)) {
      throw BadDocument(file.source.file->path() + ": token " +
                        std::to_string(first_token + i + 1) +
                        ": got an id outside of 0 to 2^31 - 1, expected a token id");
    }
    tokens[i] = static_cast<int32_t>(value);
  }
  return tokens;
}

uint64_t TokenSource::cut(const File& file, uint64_t number) const {
  if (number == 0) return 0;
  if (number >= file.documents) return file.tokens;
  // Equal pieces; both products stay below 2^64 for files up to 2^48 tokens.
  uint64_t target = number * (file.tokens / file.documents) +
                    number * (file.tokens % file.documents) / file.documents;
  uint64_t look = file.tokens / file.documents / 4;
  if (file.separator < 0 || look == 0) return target;
  std::vector<int32_t> tokens = read(file, target - look, look);
  auto found = std::find(tokens.rbegin(), tokens.rend(), static_cast<int32_t>(file.separator));
  if (found == tokens.rend()) return target;
  return std::max<uint64_t>(1, target - static_cast<uint64_t>(found - tokens.rbegin()) - 1);
}

Document TokenSource::document(uint64_t id) const {
  const File& file = file_of(id);
  uint64_t number = id - file.first;
  Document document;
  if (file.index != nullptr) {
    const ByteFile& index = *file.index;
    uint64_t from = read_number<uint64_t>(index, file.documents_at + 8 * number);
    uint64_t to = read_number<uint64_t>(index, file.documents_at + 8 * number + 8);
    if (from > to || to > file.sequences)
      throw BadDocument(index.path() + ": document " + std::to_string(number + 1) +
                        ": got sequences " + std::to_string(from) + " to " + std::to_string(to) +
                        ", expected at most " + std::to_string(file.sequences));
    for (uint64_t s = from; s < to; ++s) {
      uint64_t length = read_number<uint32_t>(index, file.lengths_at + 4 * s);
      uint64_t pointer = read_number<uint64_t>(index, file.pointers_at + 8 * s);
      uint64_t width = static_cast<uint64_t>(file.width);
      if (pointer % width != 0 || pointer / width > file.tokens ||
          length > file.tokens - pointer / width ||
          length + document.tokens.size() > kLargestDocument) {
        throw BadDocument(index.path() + ": sequence " + std::to_string(s + 1) + ": got " +
                          std::to_string(length) + " tokens at byte " + std::to_string(pointer) +
                          ", expected a place inside " + file.source.file->path());
      }
      std::vector<int32_t> part = read(file, pointer / width, length);
      document.tokens.insert(document.tokens.end(), part.begin(), part.end());
    }
    return document;
  }
  if (file.row_tokens > 0) {
    document.tokens = read(file, number * file.row_tokens, file.row_tokens);
    return document;
  }
  uint64_t begin = cut(file, number);
  document.tokens = read(file, begin, cut(file, number + 1) - begin);
  document.ends = false;  // the file's own separators divide documents
  return document;
}

uint64_t TokenSource::document_key(uint64_t id) const {
  const File& file = file_of(id);
  return mix64(hash_name(file.source.relative_name), id - file.first);
}

Table TokenSource::manifest() const {
  List files;
  for (const File& file : files_) {
    files.push_back(file.source.file->describe(file.source.relative_name));
    if (file.index != nullptr)
      files.push_back(file.index->describe(file.source.relative_name + ".idx"));
  }
  return {{"kind", "tokens"},
          {"piece_tokens", options_.piece_tokens},
          {"separator", options_.separator},
          {"files", std::move(files)}};
}

}  // namespace rmkv
