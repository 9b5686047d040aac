// Hashes, sorted; the first id of each stays.
#include "core/data/duplicate_filter.h"

#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <filesystem>

#include "core/base/cancel.h"
#include "core/base/file.h"

namespace rmkv {

namespace {

constexpr size_t kParts = 256;
constexpr char kMagic[] = "rmkv duplicates 1\n";
constexpr uint64_t kPolled = 1024;  // documents between two looks at Ctrl-C

uint64_t from_hex(std::string_view digits) {
  uint64_t value = 0;
  for (char c : digits)
    value = value << 4 | static_cast<uint64_t>(c <= '9' ? c - '0' : c - 'a' + 10);
  return value;
}

DuplicateFinder::Hash hash_of(const Document& document) {
  std::string_view content = document.text;
  if (content.empty() && !document.tokens.empty())
    content = {reinterpret_cast<const char*>(document.tokens.data()),
               document.tokens.size() * sizeof(document.tokens[0])};
  std::string digits = content_hash(content);
  return {from_hex(std::string_view(digits).substr(0, 16)),
          from_hex(std::string_view(digits).substr(16))};
}

std::string bytes_of(const std::vector<uint64_t>& numbers) {
  return {reinterpret_cast<const char*>(numbers.data()), numbers.size() * sizeof(uint64_t)};
}

}  // namespace

DuplicateFinder::DuplicateFinder(std::string folder, size_t most_in_memory)
    : folder_(folder + "/dedup-" + std::to_string(::getpid())),
      most_(std::max<size_t>(1, most_in_memory)) {}

DuplicateFinder::~DuplicateFinder() {
  std::error_code ignored;
  if (spilled_) std::filesystem::remove_all(folder_, ignored);
}

std::string DuplicateFinder::part_path(size_t part) const {
  return folder_ + "/" + std::to_string(part);
}

void DuplicateFinder::add(Hash hash, uint64_t id) {
  if (entries_.size() == most_) spill();
  entries_.push_back({hash, id});
}

void DuplicateFinder::spill() {
  make_folders(folder_);
  spilled_ = true;
  std::sort(entries_.begin(), entries_.end(),
            [](const Entry& a, const Entry& b) { return a.hash.high >> 56 < b.hash.high >> 56; });
  for (size_t begin = 0; begin < entries_.size();) {
    const size_t part = entries_[begin].hash.high >> 56;
    size_t end = begin;
    while (end < entries_.size() && entries_[end].hash.high >> 56 == part) ++end;
    append_file(part_path(part), {reinterpret_cast<const char*>(entries_.data() + begin),
                                  (end - begin) * sizeof(Entry)});
    begin = end;
  }
  entries_.clear();
}

void DuplicateFinder::collect(std::vector<Entry>& entries, std::vector<uint64_t>& duplicates) {
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
    if (a.hash.high != b.hash.high) return a.hash.high < b.hash.high;
    return a.hash.low != b.hash.low ? a.hash.low < b.hash.low : a.id < b.id;
  });
  for (size_t i = 1; i < entries.size(); ++i) {
    const Hash &before = entries[i - 1].hash, &now = entries[i].hash;
    if (before.high == now.high && before.low == now.low) duplicates.push_back(entries[i].id);
  }
}

std::vector<uint64_t> DuplicateFinder::finish() {
  std::vector<uint64_t> duplicates;
  if (!spilled_) {
    collect(entries_, duplicates);
  } else {
    spill();
    for (size_t part = 0; part < kParts; ++part) {
      check_cancelled("dedup");
      if (!path_exists(part_path(part))) continue;
      std::string bytes = read_file(part_path(part));
      entries_.resize(bytes.size() / sizeof(Entry));
      std::memcpy(static_cast<void*>(entries_.data()), bytes.data(),
                  entries_.size() * sizeof(Entry));
      collect(entries_, duplicates);
    }
  }
  entries_ = {};
  std::sort(duplicates.begin(), duplicates.end());
  return duplicates;
}

DuplicateFilter::DuplicateFilter(OptionReader& reader, const SourcePtr& source,
                                 const std::string& cache_folder) {
  reader.read("memory_mb", options_.memory_mb, 1, 1 << 20);
  if (source->document_count() == DocumentSource::kUnlimited)
    fail("filter dedup", "source " + source->name() + ", which has no end",
         "a source whose documents can all be looked at");
  std::string folder = cache_folder + "/dedup";
  std::string kept = folder + "/" + source->fingerprint() + ".ids";
  if (read_kept(kept)) return;
  make_folders(folder);
  scan_source(*source, folder);
  write_file_atomic(kept, kMagic + bytes_of({documents_, dropped_.size()}) + bytes_of(dropped_));
}

void DuplicateFilter::scan_source(const DocumentSource& source, const std::string& folder) {
  constexpr size_t kEntryBytes = 24;
  DuplicateFinder finder(folder, (static_cast<size_t>(options_.memory_mb) << 20) / kEntryBytes);
  for (auto id = source.first_from(0); id; id = source.first_from(*id + 1)) {
    if (documents_++ % kPolled == 0) check_cancelled("filter dedup: reading " + source.name());
    try {
      finder.add(hash_of(source.document(*id)), *id);
    } catch (const BadDocument&) {
      // It is counted where the stream meets it.
    }
  }
  dropped_ = finder.finish();
}

bool DuplicateFilter::read_kept(const std::string& path) {
  constexpr size_t kHead = sizeof kMagic - 1 + 2 * sizeof(uint64_t);
  if (!path_exists(path)) return false;
  std::string content = read_file(path);
  if (content.size() < kHead || content.compare(0, sizeof kMagic - 1, kMagic) != 0) return false;
  uint64_t counts[2];
  std::memcpy(counts, content.data() + sizeof kMagic - 1, sizeof counts);
  if ((content.size() - kHead) / sizeof(uint64_t) != counts[1] ||
      (content.size() - kHead) % sizeof(uint64_t) != 0)
    return false;
  documents_ = counts[0];
  dropped_.resize(counts[1]);
  if (dropped_.empty()) return true;
  std::memcpy(dropped_.data(), content.data() + kHead, counts[1] * sizeof(uint64_t));
  return true;
}

int DuplicateFilter::judge(uint64_t id, Document&, TextScan&, bool&) const {
  return std::binary_search(dropped_.begin(), dropped_.end(), id) ? 0 : kKept;
}

Table DuplicateFilter::to_table() const {
  return {{"name", "dedup"}, {"documents", documents_}, {"duplicates", dropped_.size()}};
}

}  // namespace rmkv
