// Chunks in hand, and index files.
#include "core/data/chunked_file.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <list>
#include <memory>
#include <mutex>

#include "core/base/error.h"
#include "core/base/file.h"
#include "core/data/file_range.h"

namespace rmkv {

namespace {

// Workers read neighbouring places at the same time, of several sources.
constexpr size_t kKeptBytes = size_t{48} << 20;
constexpr uint64_t kMagic = 0x31784469764b6d52;  // "RmKviDx1"

using Content = std::shared_ptr<const std::string>;

// The chunks in hand, of all files, the last used first.
class RecentChunks {
 public:
  Content find(uint64_t file, size_t index) {
    std::lock_guard lock(mutex_);
    for (auto at = chunks_.begin(); at != chunks_.end(); ++at) {
      if (at->file != file || at->index != index) continue;
      chunks_.splice(chunks_.begin(), chunks_, at);
      return at->content;
    }
    return nullptr;
  }
  void add(uint64_t file, size_t index, Content content) {
    std::lock_guard lock(mutex_);
    bytes_ += content->size();
    chunks_.push_front({file, index, std::move(content)});
    while (bytes_ > kKeptBytes && chunks_.size() > 1) {
      bytes_ -= chunks_.back().content->size();
      chunks_.pop_back();
    }
  }
  void forget(uint64_t file) {
    std::lock_guard lock(mutex_);
    chunks_.remove_if([&](const Chunk& chunk) {
      if (chunk.file != file) return false;
      bytes_ -= chunk.content->size();
      return true;
    });
  }

 private:
  struct Chunk {
    uint64_t file;
    size_t index;
    Content content;
  };
  std::mutex mutex_;
  std::list<Chunk> chunks_;
  size_t bytes_ = 0;
};

RecentChunks& recent_chunks() {
  static RecentChunks chunks;
  return chunks;
}

std::atomic<uint64_t> files_made{0};

}  // namespace

ChunkedFile::ChunkedFile(std::string path) : ByteFile(std::move(path)), number_(files_made++) {
  recent_chunks();  // is there for as long as any file
}

ChunkedFile::~ChunkedFile() {
  recent_chunks().forget(number_);
}

uint64_t ChunkedFile::chunk_bytes(size_t index) const {
  return (index + 1 < begins_.size() ? begins_[index + 1] : size_bytes_) - begins_[index];
}

Content ChunkedFile::chunk(size_t index) const {
  if (Content known = recent_chunks().find(number_, index)) return known;
  auto content = std::make_shared<const std::string>(load_chunk(index));
  if (content->size() != chunk_bytes(index)) {
    fail(path_,
         std::to_string(content->size()) + " bytes of content from " +
             std::to_string(begins_[index]),
         std::to_string(chunk_bytes(index)), "the file changed while it was in use");
  }
  recent_chunks().add(number_, index, content);
  return content;
}

size_t ChunkedFile::read_some(uint64_t begin, char* target, size_t length) const {
  size_t done = 0;
  while (done < length && begin < size_bytes_) {
    auto next = std::upper_bound(begins_.begin(), begins_.end(), begin);
    size_t index = static_cast<size_t>(next - begins_.begin()) - 1;
    Content content = chunk(index);
    size_t inside = static_cast<size_t>(begin - begins_[index]);
    size_t count = std::min(length - done, content->size() - inside);
    std::memcpy(target + done, content->data() + inside, count);
    done += count;
    begin += count;
  }
  return done;
}

bool RestartIndex::read(const std::string& path) {
  if (!path_exists(path)) return false;
  RangeReader file(path);
  uint64_t head[3];
  char* bytes = reinterpret_cast<char*>(head);
  if (file.read_some(0, bytes, sizeof head) != sizeof head || head[0] != kMagic) return false;
  if (head[2] > file.size_bytes() / sizeof(RestartPoint)) return false;
  content_bytes = head[1];
  points.resize(head[2]);
  size_t size = points.size() * sizeof(RestartPoint);
  return file.read_some(sizeof head, reinterpret_cast<char*>(points.data()), size) == size &&
         is_sound();
}

// A chunk is held in memory: an index that says too much of one is damaged.
bool RestartIndex::is_sound() const {
  if (points.empty()) return content_bytes == 0;
  if (points[0].content_offset != 0) return false;
  for (size_t i = 0; i < points.size(); ++i) {
    uint64_t begin = points[i].content_offset;
    uint64_t end = i + 1 < points.size() ? points[i + 1].content_offset : content_bytes;
    if (end < begin || end - begin > kLargestChunk || points[i].bits > 8) return false;
  }
  return true;
}

std::string RestartIndex::header() const {
  uint64_t head[3] = {kMagic, content_bytes, points.size()};
  std::string text(reinterpret_cast<const char*>(head), sizeof head);
  text.append(reinterpret_cast<const char*>(points.data()), points.size() * sizeof(RestartPoint));
  return text;
}

}  // namespace rmkv
