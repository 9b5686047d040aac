// Finding restart points and starting at one.
#include "core/data/gzip_file.h"

#include <zlib.h>

#include <algorithm>

#include "core/base/cancel.h"
#include "core/base/error.h"
#include "core/base/file.h"

namespace rmkv {

namespace {

constexpr uint64_t kSpanBytes = uint64_t{4} << 20;
// One chunk is held in memory; no compressor makes blocks near that.
constexpr uint64_t kLargestSpan = uint64_t{256} << 20;
constexpr size_t kWindowBytes = 32768;
constexpr size_t kInputBytes = size_t{1} << 16;

// A zlib stream that ends with its scope.
class Inflater {
 public:
  // `format`: 31 gzip, -15 raw deflate.
  Inflater(const std::string& path, int format) : path_(path) {
    if (inflateInit2(&z, format) != Z_OK) fail_because(path, "zlib has no memory");
  }
  ~Inflater() { inflateEnd(&z); }
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;

  [[noreturn]] void damaged(uint64_t at) const {
    fail(path_,
         std::string("damaged gzip data before byte ") + std::to_string(at) +
             (z.msg != nullptr ? std::string(" (") + z.msg + ")" : std::string()),
         "a whole gzip file");
  }
  z_stream z{};

 private:
  std::string path_;
};

}  // namespace

GzipFile::GzipFile(const std::string& path, const std::string& cache_folder)
    : ChunkedFile(path),
      index_path_(cache_folder + "/gzip/" + cache_name(path) + ".index"),
      windows_path_(index_path_ + ".windows"),
      version_(RangeReader(path).version()) {
  if (!index_.read(index_path_)) {
    make_folders(cache_folder + "/gzip");
    build();
  }
  size_bytes_ = index_.content_bytes;
  for (const RestartPoint& point : index_.points) begins_.push_back(point.content_offset);
}

void GzipFile::build() {
  RangeReader file(path_);
  Inflater inflater(path_, 31);
  z_stream& z = inflater.z;
  std::string input(kInputBytes, '\0');
  AtomicFile windows(windows_path_);
  uint64_t windows_bytes = 0;
  std::vector<char> window(kWindowBytes);  // a ring: the last output
  RestartIndex index;
  uint64_t in = 0, out = 0, fetched = 0, last = 0;
  index.points.push_back({0, 0, 0, 0, 0});
  z.avail_out = 0;
  bool ended = false;
  while (true) {
    if (z.avail_in == 0) {
      check_cancelled("data: indexing " + path_);
      size_t got = file.read_some(fetched, input.data(), input.size());
      if (got == 0) break;
      z.next_in = reinterpret_cast<Bytef*>(input.data());
      z.avail_in = static_cast<uInt>(got);
      fetched += got;
    }
    if (ended) {
      // Another member, or padding with zeros behind the last.
      if (*z.next_in == 0) {
        ++z.next_in;
        --z.avail_in;
        continue;
      }
      in = fetched - z.avail_in;
      if (inflateReset2(&z, 31) != Z_OK) inflater.damaged(in);
      ended = false;
    }
    if (z.avail_out == 0) {
      z.next_out = reinterpret_cast<Bytef*>(window.data());
      z.avail_out = kWindowBytes;
    }
    uInt room = z.avail_out;
    int code = inflate(&z, Z_BLOCK);
    out += room - z.avail_out;
    in = fetched - z.avail_in;
    if (out - last > kLargestSpan) {
      fail(path_, "a deflate block of more than " + std::to_string(kLargestSpan) + " bytes",
           "gzip data as compressors write it");
    }
    if (code == Z_STREAM_END) {
      ended = true;
      // A member begins without history.
      if (out - last >= kSpanBytes) {
        index.points.push_back({out, in, 8, 0, 0});
        last = out;
      }
    } else if (code == Z_BUF_ERROR && z.avail_in == 0) {
      continue;
    } else if (code != Z_OK) {
      inflater.damaged(in);
    } else if ((z.data_type & 128) != 0 && (z.data_type & 64) == 0 && out - last >= kSpanBytes) {
      RestartPoint point{out, in, static_cast<uint64_t>(z.data_type & 7), windows_bytes, 0};
      size_t used = kWindowBytes - z.avail_out;  // the ring's oldest byte stands there
      windows.write({window.data() + used, kWindowBytes - used});
      windows.write({window.data(), used});
      windows_bytes += kWindowBytes;
      index.points.push_back(point);
      last = out;
    }
  }
  if (!ended) fail(path_, "the end of the file inside gzip data", "a whole gzip file");
  index.content_bytes = out;
  // A point at the very end starts nothing.
  while (!index.points.empty() && index.points.back().content_offset == out)
    index.points.pop_back();
  windows.commit();
  write_file_atomic(index_path_, index.header());
  index_ = std::move(index);
}

std::string GzipFile::load_chunk(size_t chunk) const {
  const RestartPoint& point = index_.points[chunk];
  const bool member = chunk == 0 || point.bits == 8;  // begins with a gzip header
  Inflater inflater(path_, member ? 31 : -15);
  z_stream& z = inflater.z;
  RangeReader file(path_, version_);
  uint64_t fetched = point.file_offset;
  std::string input(kInputBytes, '\0');
  if (!member) {
    if (point.bits > 0) {
      std::string byte = file.read(fetched - 1, 1);
      int bits = static_cast<int>(point.bits);
      inflatePrime(&z, bits, static_cast<unsigned char>(byte[0]) >> (8 - bits));
    }
    std::string history = RangeReader(windows_path_).read(point.window_offset, kWindowBytes);
    inflateSetDictionary(&z, reinterpret_cast<const Bytef*>(history.data()), kWindowBytes);
  }
  std::string content(chunk_bytes(chunk), '\0');
  z.next_out = reinterpret_cast<Bytef*>(content.data());
  z.avail_out = static_cast<uInt>(content.size());
  bool raw = !member;
  while (z.avail_out > 0) {
    if (z.avail_in == 0) {
      size_t got = file.read_some(fetched, input.data(), input.size());
      if (got == 0) inflater.damaged(fetched);
      z.next_in = reinterpret_cast<Bytef*>(input.data());
      z.avail_in = static_cast<uInt>(got);
      fetched += got;
    }
    int code = inflate(&z, Z_NO_FLUSH);
    if (code == Z_STREAM_END && z.avail_out > 0) {
      // A raw stream leaves the member's trailer of 8 bytes; then comes the next member.
      uint64_t next = fetched - z.avail_in + (raw ? 8 : 0);
      raw = false;
      z.avail_in = 0;
      fetched = next;
      if (inflateReset2(&z, 31) != Z_OK) inflater.damaged(next);
    } else if (code != Z_OK && code != Z_STREAM_END) {
      inflater.damaged(fetched - z.avail_in);
    }
  }
  return content;
}

}  // namespace rmkv
