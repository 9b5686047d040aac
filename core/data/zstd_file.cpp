// Frames found, or made.
#include "core/data/zstd_file.h"

#include <zstd.h>

#include <memory>

#include "core/base/cancel.h"
#include "core/base/error.h"
#include "core/base/file.h"

namespace rmkv {

namespace {

constexpr uint64_t kFrameBytes = uint64_t{4} << 20;
// Longer frames are written anew: a chunk is held in memory.
constexpr uint64_t kLargestFrame = uint64_t{8} << 20;
// Fast; the copy lives in a cache.
constexpr int kCopyLevel = 1;

using Decoder = std::unique_ptr<ZSTD_DCtx, size_t (*)(ZSTD_DCtx*)>;

[[noreturn]] void damaged(const std::string& path, const char* why) {
  fail(path, std::string("damaged zstd data (") + why + ")", "a whole zstd file");
}

}  // namespace

ZstdFile::ZstdFile(const std::string& path, const std::string& cache_folder)
    : ChunkedFile(path), frames_path_(path), version_(RangeReader(path).version()) {
  std::string base = cache_folder + "/zstd/" + cache_name(path);
  std::string copy = base + ".zst";
  if (path_exists(copy)) frames_path_ = copy;
  if (!index_.read(base + ".index")) {
    make_folders(cache_folder + "/zstd");
    frames_path_ = path;
    if (!index_frames()) {
      write_frames(copy);
      frames_path_ = copy;
    }
    write_file_atomic(base + ".index", index_.header());
  }
  size_bytes_ = index_.content_bytes;
  for (const RestartPoint& point : index_.points) begins_.push_back(point.content_offset);
}

bool ZstdFile::index_frames() {
  MappedFile file(path_);
  std::string_view bytes = file.bytes();
  RestartIndex index;
  uint64_t at = 0;
  while (at < bytes.size()) {
    size_t length = ZSTD_findFrameCompressedSize(bytes.data() + at, bytes.size() - at);
    if (ZSTD_isError(length)) damaged(path_, ZSTD_getErrorName(length));
    unsigned long long content = ZSTD_getFrameContentSize(bytes.data() + at, length);
    if (content == ZSTD_CONTENTSIZE_ERROR) damaged(path_, "no frame");
    if (content == ZSTD_CONTENTSIZE_UNKNOWN || content > kLargestFrame) return false;
    // Small frames share a chunk; skippable ones hold nothing.
    if (!index.points.empty() &&
        index.content_bytes + content - index.points.back().content_offset <= kFrameBytes) {
      index.points.back().window_bytes += length;
    } else {
      index.points.push_back({index.content_bytes, at, 0, 0, length});
    }
    index.content_bytes += content;
    at += length;
  }
  while (!index.points.empty() && index.points.back().content_offset == index.content_bytes)
    index.points.pop_back();
  index_ = std::move(index);
  return true;
}

void ZstdFile::write_frames(const std::string& target) {
  RangeReader file(path_);
  Decoder decoder(ZSTD_createDCtx(), ZSTD_freeDCtx);
  AtomicFile copy(target);
  RestartIndex index;
  std::string input(ZSTD_DStreamInSize(), '\0'), content(kFrameBytes, '\0');
  std::string packed(ZSTD_compressBound(kFrameBytes), '\0');
  uint64_t fetched = 0, written = 0;
  ZSTD_inBuffer in{input.data(), 0, 0};
  ZSTD_outBuffer out{content.data(), content.size(), 0};
  auto flush = [&] {
    if (out.pos == 0) return;
    size_t size = ZSTD_compress(packed.data(), packed.size(), content.data(), out.pos, kCopyLevel);
    if (ZSTD_isError(size)) damaged(path_, ZSTD_getErrorName(size));
    copy.write({packed.data(), size});
    index.points.push_back({index.content_bytes, written, 0, 0, size});
    index.content_bytes += out.pos;
    written += size;
    out.pos = 0;
  };
  size_t left = 0;
  while (true) {
    if (in.pos == in.size) {
      check_cancelled("data: indexing " + path_);
      in.size = file.read_some(fetched, input.data(), input.size());
      in.pos = 0;
      if (in.size == 0) break;
      fetched += in.size;
    }
    left = ZSTD_decompressStream(decoder.get(), &out, &in);
    if (ZSTD_isError(left)) damaged(path_, ZSTD_getErrorName(left));
    if (out.pos == out.size) flush();
  }
  // What the decoder still holds when the input is at its end.
  while (left != 0) {
    size_t before = out.pos;
    left = ZSTD_decompressStream(decoder.get(), &out, &in);
    if (ZSTD_isError(left)) damaged(path_, ZSTD_getErrorName(left));
    if (out.pos == before && left != 0) damaged(path_, "the file ends inside a frame");
    if (out.pos == out.size) flush();
  }
  flush();
  copy.commit();
  index_ = std::move(index);
}

std::string ZstdFile::load_chunk(size_t chunk) const {
  const RestartPoint& point = index_.points[chunk];
  RangeReader original(path_, version_);
  std::string packed = RangeReader(frames_path_).read(point.file_offset, point.window_bytes);
  std::string content(chunk_bytes(chunk), '\0');
  size_t size = ZSTD_decompress(content.data(), content.size(), packed.data(), packed.size());
  if (ZSTD_isError(size)) damaged(path_, ZSTD_getErrorName(size));
  content.resize(size);
  return content;
}

}  // namespace rmkv
