// Beginning anywhere in a hundred gigabytes: files that take no room, with content planted at known
// places, and a bound on the bytes that are read instead of one on time.
#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>

#include "core/base/file.h"
#include "core/base/random.h"
#include "core/data/line_source.h"
#include "core/data/open_source.h"
#include "core/tensor/torch.h"
#include "tests/catch.h"
#include "tests/checkpoint/pt_bytes.h"
#include "tests/data/support.h"

using namespace rmkv;
using namespace rmkv::test;

namespace {

constexpr uint64_t kGiB = uint64_t{1} << 30;

// A file of `size` zero bytes with pieces of content in it; takes the room of the pieces.
void write_sparse(const std::string& path, uint64_t size,
                  const std::vector<std::pair<uint64_t, std::string>>& pieces) {
  const int handle = ::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  REQUIRE(handle >= 0);
  REQUIRE(::ftruncate(handle, static_cast<off_t>(size)) == 0);
  for (const auto& [at, content] : pieces) {
    REQUIRE(::pwrite(handle, content.data(), content.size(), static_cast<off_t>(at)) ==
            static_cast<ssize_t>(content.size()));
  }
  ::close(handle);
}

StreamOptions far_options() {
  StreamOptions options;
  options.lanes = 2;
  options.seed = 11;
  options.pack_tokens = 0;
  options.threads = 0;
  return options;
}

// The cursor of a stream over one source, as a run has it whose lanes have begun the documents at
// `ordinals`.
Table far_cursor(const TokenStream& begun, const std::vector<uint64_t>& ordinals, int64_t offset) {
  Table cursor = begun.cursor();
  List& lanes = cursor["lanes"].as_list();
  for (size_t b = 0; b < ordinals.size(); ++b) {
    Table& lane = lanes[b].as_table();
    lane["source"] = 0;
    lane["ordinal"] = ordinals[b];
    lane["place"] = 0;
    lane["offset"] = offset;
    lane["age"] = offset;
  }
  cursor["sources"].as_list()[0].as_table()["ordinal"] = ordinals.back() + 1;
  return cursor;
}

std::string text_of(const Batch& batch, int64_t lane) {
  std::string text;
  for (int64_t token : lane_tokens(batch, lane)) text += static_cast<char>(token);
  return text;
}

// JSON lines of 1,000 bytes each, any number of them, made when they are read.
class MadeLines : public ByteFile {
 public:
  static constexpr uint64_t kLineBytes = 1000;

  MadeLines(std::string path, uint64_t lines, std::atomic<uint64_t>& bytes_read)
      : ByteFile(std::move(path)), bytes_read_(bytes_read) {
    size_bytes_ = lines * kLineBytes;
  }
  std::string line(uint64_t number) const {
    std::string text = "{\"text\":\"" + path_ + " line " + std::to_string(number) + " ";
    text.resize(kLineBytes - 3, static_cast<char>('a' + number % 26));
    return text + "\"}\n";
  }
  size_t read_some(uint64_t begin, char* target, size_t length) const override {
    const size_t count = begin < size_bytes_ ? std::min<uint64_t>(length, size_bytes_ - begin) : 0;
    for (size_t done = 0; done < count;) {
      const uint64_t at = begin + done, inside = at % kLineBytes;
      const std::string text = line(at / kLineBytes);
      const size_t part = std::min<size_t>(count - done, kLineBytes - inside);
      text.copy(target + done, part, inside);
      done += part;
    }
    bytes_read_ += count;
    return count;
  }
  Table describe(const std::string& name) const override {
    return {{"path", name}, {"size", size_bytes_}, {"hash", "made"}};
  }

 private:
  std::atomic<uint64_t>& bytes_read_;
};

}  // namespace

TEST_CASE("a stream begins at a planted place in 100 GB of sparse text files") {
  constexpr int kFiles = 100;
  constexpr uint64_t kPiece = uint64_t{1} << 20, kPieces = kGiB / kPiece;
  TemporaryFolder folder;
  const std::string data = folder / "data";
  make_folders(data);
  const auto name = [](int file) { return std::to_string(1000 + file) + ".txt"; };
  const auto stamp = [&](int file, uint64_t piece) {
    return "\n\nThis is piece " + std::to_string(piece) + " of file " + name(file) + ".";
  };
  const std::vector<uint64_t> stamped = {1, 500, kPieces - 1};
  for (int file = 0; file < kFiles; ++file) {
    std::vector<std::pair<uint64_t, std::string>> pieces;
    // A piece begins behind the last blank line before its place: 30 bytes before it.
    for (uint64_t piece : stamped) pieces.push_back({piece * kPiece - 30, stamp(file, piece)});
    write_sparse(data + "/" + name(file), kGiB, pieces);
  }
  SourcePtr source = open_source(data);
  REQUIRE(source->document_count() == kFiles * kPieces);
  const StreamOptions options = far_options();
  TokenStream begun({{source, 1}}, make_byte_tokenizer(), options);

  // The ordinals of the stamped documents, by the order's definition.
  std::vector<uint64_t> ordinals;
  std::vector<std::string> expected;
  for (uint64_t ordinal = 0; ordinal < kFiles * kPieces; ++ordinal) {
    const uint64_t id = permuted_index(ordinal, kFiles * kPieces, 11, source->name(), 0);
    if (std::find(stamped.begin(), stamped.end(), id % kPieces) == stamped.end()) continue;
    ordinals.push_back(ordinal);
    expected.push_back(stamp(static_cast<int>(id / kPieces), id % kPieces).substr(2));
  }
  REQUIRE(ordinals.size() == kFiles * stamped.size());
  for (size_t i : {size_t{0}, ordinals.size() / 2, ordinals.size() - 2}) {
    INFO("ordinal " << ordinals[i]);
    TokenStream resumed({{open_source(data), 1}}, make_byte_tokenizer(), options);
    resumed.seek(far_cursor(begun, {ordinals[i], ordinals[i + 1]}, 5));
    Batch batch = resumed.next(1, 20);
    CHECK(text_of(batch, 0) == expected[i].substr(5, 20));
    CHECK(text_of(batch, 1) == expected[i + 1].substr(5, 20));
    CHECK(batch.positions[0][0].item<int64_t>() == 5);
  }
}

TEST_CASE("a stream begins at any row of 64 GB of sparse token files") {
  constexpr int kFiles = 16;
  constexpr uint64_t kRow = 1024, kRows = 4 * kGiB / 2 / kRow;
  TemporaryFolder folder;
  make_folders(folder / "data");
  std::string head = "{'descr': '<u2', 'fortran_order': False, 'shape': (" + std::to_string(kRows) +
                     ", " + std::to_string(kRow) + "), }";
  head.resize(117, ' ');
  head = std::string("\x93NUMPY\x01\x00", 8) + little(head.size() + 1, 2) + head + "\n";
  const auto row = [&](int file, uint64_t number) {
    std::string bytes = little(200, 2);
    for (int digit = 0; digit < 8; ++digit) bytes += little(number >> 4 * digit & 15, 2);
    return bytes + little(static_cast<uint64_t>(file), 2);
  };
  const StreamOptions options = far_options();
  const uint64_t total = kFiles * kRows;
  const uint64_t ordinal = total - 12345;
  std::vector<uint64_t> planted;
  for (uint64_t i = 0; i < 2; ++i)
    planted.push_back(permuted_index(ordinal + i, total, 11, "data", 0));
  for (int file = 0; file < kFiles; ++file) {
    std::vector<std::pair<uint64_t, std::string>> pieces = {{0, head}};
    for (uint64_t id : planted) {
      if (id / kRows == static_cast<uint64_t>(file))
        pieces.push_back({head.size() + id % kRows * kRow * 2, row(file, id % kRows)});
    }
    write_sparse(folder / "data/" + std::to_string(1000 + file) + ".npy",
                 head.size() + kRows * kRow * 2, pieces);
  }
  SourcePtr source = open_source(folder / "data");
  REQUIRE(source->document_count() == total);
  TokenStream begun({{source, 1}}, make_byte_tokenizer(), options);
  TokenStream resumed({{open_source(folder / "data"), 1}}, make_byte_tokenizer(), options);
  resumed.seek(far_cursor(begun, {ordinal, ordinal + 1}, 0));
  Batch batch = resumed.next(1, 10);
  for (size_t lane = 0; lane < 2; ++lane) {
    const uint64_t id = planted[lane];
    std::vector<int64_t> expected = {200};
    for (int digit = 0; digit < 8; ++digit)
      expected.push_back(static_cast<int64_t>(id % kRows >> 4 * digit & 15));
    expected.push_back(static_cast<int64_t>(id / kRows));
    CHECK(lane_tokens(batch, static_cast<int64_t>(lane)) == expected);
    CHECK(batch.documents[static_cast<int64_t>(lane)][0].item<int64_t>() ==
          static_cast<int64_t>(id));
  }
}

TEST_CASE("a stream begins in any window of 100 GB of JSON lines and reads no more than that") {
  constexpr uint64_t kFiles = 100, kLines = 1'000'000, kBlock = uint64_t{1} << 20;
  std::atomic<uint64_t> bytes_read = 0;
  const auto open = [&] {
    std::vector<SourceFile> files;
    for (uint64_t i = 0; i < kFiles; ++i) {
      const std::string name = "made" + std::to_string(i) + ".jsonl";
      files.push_back({std::make_shared<MadeLines>(name, kLines, bytes_read), name});
    }
    return std::make_shared<LineSource>("made", std::move(files), LineOptions{});
  };
  const auto source = open();
  const uint64_t blocks_of_file = (kLines * MadeLines::kLineBytes + kBlock - 1) / kBlock;
  REQUIRE(source->block_count() == kFiles * blocks_of_file);
  // Windows of 16 blocks; a place among the 16,000 rows or so of the one in the middle.
  const uint64_t window = source->block_count() / 16 / 2, place = 7000;
  const uint64_t ordinal = window << BlockSource::kRowBits | place;
  StreamOptions options = far_options();
  TokenStream begun({{source, 1}}, make_byte_tokenizer(), options);
  const Table cursor = far_cursor(begun, {ordinal, ordinal + 1}, 0);
  std::string first;
  for (int64_t threads : {0, 2}) {
    bytes_read = 0;
    options.threads = threads;
    options.prefetch_tokens = threads * 100'000;
    TokenStream resumed({{open(), 1}}, make_byte_tokenizer(), options);
    resumed.seek(cursor);
    Batch batch = resumed.next(1, 1000);
    // A window, what lies ahead of it, and ends of rows.
    CHECK(bytes_read < 64 * kBlock);
    for (int64_t lane = 0; lane < 2; ++lane) {
      const uint64_t id = static_cast<uint64_t>(batch.documents[lane][0].item<int64_t>());
      const uint64_t block = BlockSource::block_of(id), file = block / blocks_of_file;
      // The rows of a block are the lines that begin in its mebibyte.
      const uint64_t begin = block % blocks_of_file * kBlock;
      const uint64_t line =
          (begin + MadeLines::kLineBytes - 1) / MadeLines::kLineBytes + BlockSource::row_of(id);
      CHECK(line * MadeLines::kLineBytes < begin + kBlock);
      std::atomic<uint64_t> unused = 0;
      const std::string whole =
          MadeLines("made" + std::to_string(file) + ".jsonl", kLines, unused).line(line);
      std::string text = text_of(batch, lane);
      text.resize(MadeLines::kLineBytes - 12);  // without the end token
      CHECK(text == whole.substr(9, MadeLines::kLineBytes - 12));
    }
    if (threads == 0) first = dump(batch);
    CHECK(dump(batch) == first);
    // Blocks come in the order's permutation: this window holds 16 of them and nothing else.
    std::vector<uint64_t> blocks;
    for (uint64_t i = 0; i < 16; ++i)
      blocks.push_back(
          permuted_index(window * 16 + i, source->block_count(), 11, source->name(), 0));
    for (int64_t lane = 0; lane < 2; ++lane) {
      const uint64_t id = static_cast<uint64_t>(batch.documents[lane][0].item<int64_t>());
      CHECK(std::count(blocks.begin(), blocks.end(), BlockSource::block_of(id)) == 1);
    }
  }
}
