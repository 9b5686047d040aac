// The training stream against its slow twin, and its promises one by one.
#include "core/data/stream.h"

#include <atomic>
#include <chrono>
#include <set>
#include <thread>

#include "core/base/cancel.h"
#include "core/base/error.h"
#include "core/base/json.h"
#include "core/base/random.h"
#include "core/data/validation_split.h"
#include "core/tensor/torch.h"
#include "tests/catch.h"
#include "tests/data/support.h"

using namespace rmkv;
using namespace rmkv::test;

namespace {

std::vector<StreamSource> three_sources(uint64_t seed) {
  return {{list("web", random_texts("w", 40, 5, 300, seed)), 5},
          {list("math", random_texts("m", 11, 100, 900, seed)), 1},
          {list("chat", random_texts("c", 25, 10, 60, seed)), 1}};
}

StreamOptions small_options() {
  StreamOptions options;
  options.lanes = 3;
  options.seed = 7;
  options.pack_tokens = 0;
  options.threads = 0;
  return options;
}

// Fails for some indices, and slowly, to tempt races.
class CountingSource : public DocumentSource {
 public:
  explicit CountingSource(uint64_t bad_every) : bad_every_(bad_every) {}
  std::string name() const override { return "counting"; }
  uint64_t document_count() const override { return kUnlimited; }
  Document document(uint64_t index) const override {
    if (bad_every_ > 0 && index % bad_every_ == bad_every_ - 1) {
      throw BadDocument("row " + std::to_string(index) + ": broken");
    }
    Document document;
    document.text = std::string(1 + mix64(index, 1) % 50, static_cast<char>('a' + index % 26));
    return document;
  }
  Table manifest() const override { return {{"kind", "counting"}}; }

 private:
  uint64_t bad_every_;
};

}  // namespace

TEST_CASE("the stream equals its slow twin, batch by batch") {
  uint64_t seed = 42;
  TokenizerPtr tokenizer = make_byte_tokenizer();
  for (int64_t pack : {0, 50, 400}) {
    for (double share : {0.0, 0.2}) {
      StreamOptions options = small_options();
      options.pack_tokens = pack;
      options.validation_share = share;
      options.threads = 2;
      TokenStream stream(three_sources(seed), tokenizer, options);
      SlowStream slow(three_sources(seed), tokenizer, options);
      RandomStream random(seed, "shapes");
      for (int i = 0; i < 60; ++i) {
        int64_t segments = 1 + static_cast<int64_t>(random.below(4));
        int64_t segment_tokens = 1 + static_cast<int64_t>(random.below(70));
        INFO("pack " << pack << " share " << share << " batch " << i << " S " << segments << " T "
                     << segment_tokens);
        REQUIRE(dump(stream.next(segments, segment_tokens)) ==
                dump(slow.next(segments, segment_tokens)));
      }
    }
  }
}

TEST_CASE("the stream does not depend on threads or prefetching") {
  TokenizerPtr tokenizer = make_byte_tokenizer();
  std::vector<std::string> expected;
  for (int64_t threads : {0, 1, 3, 8}) {
    for (int64_t prefetch : {0, 100, 1 << 20}) {
      StreamOptions options = small_options();
      options.threads = threads;
      options.prefetch_tokens = prefetch;
      auto sources = three_sources(3);
      sources.push_back({std::make_shared<CountingSource>(0), 2});
      TokenStream stream(sources, tokenizer, options);
      for (size_t i = 0; i < 40; ++i) {
        std::string text = dump(stream.next(2, 16));
        if (expected.size() <= i) expected.push_back(text);
        REQUIRE(text == expected[i]);
      }
    }
  }
}

TEST_CASE("a stream that continues from a cursor equals one that went on") {
  uint64_t seed = 99;
  INFO("seed " << seed);
  RandomStream random(seed, "cursor test");
  TokenizerPtr tokenizer = make_byte_tokenizer();
  for (int round = 0; round < 12; ++round) {
    StreamOptions options = small_options();
    options.pack_tokens = round % 3 * 80;
    options.validation_share = round % 2 * 0.1;
    options.bad_share = 0.5;
    auto make_sources = [&] {
      auto sources = three_sources(seed);
      sources.push_back({std::make_shared<CountingSource>(5), 1.5});
      return sources;
    };
    options.threads = round % 4;
    TokenStream original(make_sources(), tokenizer, options);
    uint64_t before = random.below(50);
    for (uint64_t i = 0; i < before; ++i) original.next(1 + static_cast<int64_t>(i % 3), 8);
    // Through text, as checkpoints do; twice in a row.
    std::string saved = write_json(original.cursor());
    options.threads = (round + 1) % 4;
    options.prefetch_tokens = 1000;
    TokenStream first(make_sources(), tokenizer, options);
    first.seek(parse_json(saved, "cursor").as_table());
    REQUIRE(write_json(first.cursor()) == saved);
    TokenStream second(make_sources(), tokenizer, options);
    second.next(3, 30);  // a used stream can be moved too
    second.seek(first.cursor());
    for (int i = 0; i < 25; ++i) {
      int64_t segments = 1 + static_cast<int64_t>(random.below(3));
      int64_t segment_tokens = 1 + static_cast<int64_t>(random.below(40));
      std::string expected = dump(original.next(segments, segment_tokens));
      REQUIRE(dump(first.next(segments, segment_tokens)) == expected);
      REQUIRE(dump(second.next(segments, segment_tokens)) == expected);
    }
    CHECK(write_json(first.report()) == write_json(second.report()));
    CHECK(original.served_tokens() == first.served_tokens());
  }
}

TEST_CASE("every document comes once an epoch, with tokens - 1 labels") {
  TokenizerPtr tokenizer = make_byte_tokenizer();
  std::vector<std::string> texts = random_texts("d", 17, 5, 200, 4);
  StreamOptions options = small_options();
  options.lanes = 1;
  TokenStream stream({{list("docs", texts), 1}}, tokenizer, options);
  int32_t end = tokenizer->special("<end>");
  std::multiset<std::string> seen;
  std::vector<int32_t> current;
  int64_t labels = 0, bytes = 0, tokens = 0;
  while (seen.size() < 2 * texts.size()) {
    Batch batch = stream.next(1, 1);  // one token at a time: a document never shares a batch
    labels += batch.label_count;
    bytes += batch.byte_count;
    tokens += batch.token_count;
    int32_t id = static_cast<int32_t>(batch.tokens.item<int64_t>());
    CHECK(batch.resets.item<bool>() == current.empty());
    current.push_back(id);
    if (id == end) {
      seen.insert(tokenizer->decode(current, true));
      CHECK(batch.labels.item<int64_t>() == kIgnoreLabel);
      current.clear();
    }
  }
  for (const std::string& text : texts) CHECK(seen.count(text) == 2);
  // T16: label count = tokens - 1 per document.  Bytes: all but each text's first.
  CHECK(labels == tokens - static_cast<int64_t>(seen.size()));
  int64_t text_bytes = 0;
  for (const std::string& text : seen) text_bytes += static_cast<int64_t>(text.size());
  CHECK(bytes == text_bytes - static_cast<int64_t>(seen.size()));
}

TEST_CASE("labels cross the borders of segments and batches") {
  TokenizerPtr tokenizer = make_byte_tokenizer();
  StreamOptions options = small_options();
  options.lanes = 1;
  TokenStream stream({{list("one", {"abcdefghij"}), 1}}, tokenizer, options);
  Batch first = stream.next(2, 3), second = stream.next(2, 3);
  CHECK(first.labels[0][2].item<int64_t>() == 'd');
  CHECK(first.labels[0][5].item<int64_t>() == 'g');
  CHECK_FALSE(first.valid.defined());
  CHECK(first.resets[0][0].item<bool>());
  CHECK_FALSE(first.resets[0][1].item<bool>());
  // g h i | j <end> _
  CHECK(second.labels[0][2].item<int64_t>() == 'j');
  CHECK(second.labels[0][3].item<int64_t>() == tokenizer->special("<end>"));
  CHECK(second.labels[0][4].item<int64_t>() == kIgnoreLabel);
  CHECK_FALSE(second.valid[0][5].item<bool>());
  CHECK(second.tokens[0][5].item<int64_t>() == tokenizer->special("<pad>"));
  CHECK(second.token_count == 5);
  CHECK(second.label_count == 4);
  CHECK(second.byte_count == 3);
  CHECK(stream.next(1, 3).resets[0][0].item<bool>());
}

TEST_CASE("joining bounds the padding") {
  TokenizerPtr tokenizer = make_byte_tokenizer();
  auto padding = [&](int64_t pack) {
    StreamOptions options = small_options();
    options.pack_tokens = pack;
    TokenStream stream({{list("short", random_texts("s", 50, 10, 20, 8)), 1}}, tokenizer, options);
    for (int i = 0; i < 100; ++i) stream.next(2, 64);
    return find(stream.report(), "padding_share")->as_double();
  };
  CHECK(padding(0) > 0.6);
  CHECK(padding(512) < 64.0 / (512 + 64));
}

TEST_CASE("documents in one joined text are divided by <end> and not reset") {
  TokenizerPtr tokenizer = make_byte_tokenizer();
  StreamOptions options = small_options();
  options.lanes = 1;
  options.pack_tokens = 8;
  TokenStream stream({{list("short", {"aaa", "bbb"}), 1}}, tokenizer, options);
  Batch batch = stream.next(2, 4);
  CHECK(batch.resets[0][0].item<bool>());
  CHECK_FALSE(batch.resets[0][1].item<bool>());
  CHECK(batch.tokens[0][3].item<int64_t>() == tokenizer->special("<end>"));
  CHECK(batch.labels[0][3].item<int64_t>() == batch.tokens[0][4].item<int64_t>());
  CHECK(batch.label_count == 7);
}

TEST_CASE("untrained spans are read but not predicted, and special tokens obey the document") {
  TokenizerPtr tokenizer = make_byte_tokenizer();
  Document chat;
  chat.text = "Q: hi\n<start>yes<end>";
  chat.loss_spans = {{0, 13}};
  Document plain;
  plain.text = "<end>";
  plain.parse_special = false;
  StreamOptions options = small_options();
  options.lanes = 1;
  auto chat_source = std::make_shared<ListSource>("chat", std::vector<Document>{chat});
  Batch batch = TokenStream({{chat_source, 1}}, tokenizer, options).next(1, 16);
  // 6 characters, <start>, y, e, s, <end>: no second <end>.
  CHECK(batch.token_count == 11);
  CHECK(batch.label_count == 4);
  CHECK(batch.labels[0][5].item<int64_t>() == kIgnoreLabel);
  CHECK(batch.labels[0][6].item<int64_t>() == 'y');
  CHECK(batch.byte_count == 3);
  auto plain_source = std::make_shared<ListSource>("plain", std::vector<Document>{plain});
  CHECK(TokenStream({{plain_source, 1}}, tokenizer, options).next(1, 16).token_count == 6);
}

TEST_CASE("realised shares follow the weights at every batch") {
  TokenizerPtr tokenizer = make_byte_tokenizer();
  StreamOptions options = small_options();
  options.lanes = 8;
  options.threads = 1;
  TokenStream stream(three_sources(5), tokenizer, options);
  std::vector<double> served(3, 0);
  double total = 0;
  for (int i = 0; i < 400; ++i) {
    Batch batch = stream.next(2, 32);
    for (int64_t b = 0; b < 8; ++b) {
      for (int64_t s = 0; s < 2; ++s) {
        int64_t source = batch.sources[b][s].item<int64_t>();
        double tokens = 32;
        if (batch.valid.defined())
          tokens = batch.valid[b].narrow(0, s * 32, 32).sum().item<double>();
        served[static_cast<size_t>(source)] += tokens;
        total += tokens;
      }
    }
    // Within the longest document (900 and <end>) at every prefix.
    CHECK(std::abs(served[0] - total * 5 / 7) <= 901);
    CHECK(std::abs(served[1] - total / 7) <= 901);
    CHECK(std::abs(served[2] - total / 7) <= 901);
  }
  List sources = find(stream.report(), "sources")->as_list();
  CHECK(find(sources[0].as_table(), "realized_share")->as_double() ==
        Approx(5.0 / 7.0).margin(0.01));
}

TEST_CASE("held-out documents never appear in training") {
  TokenizerPtr tokenizer = make_byte_tokenizer();
  std::vector<std::string> texts = random_texts("d", 60, 10, 40, 6);
  SourcePtr source = list("docs", texts);
  ValidationSplit split(source, 0.1);
  std::set<std::string> held;
  for (uint64_t i = 0; i < texts.size(); ++i) {
    if (split.held_out(i)) held.insert(texts[i]);
  }
  REQUIRE(held.size() == 6);
  StreamOptions options = small_options();
  options.validation_share = 0.1;
  TokenStream stream({{source, 1}}, tokenizer, options);
  std::set<std::string> seen;
  for (int i = 0; i < 200; ++i) {
    Batch batch = stream.next(1, 64);
    for (int64_t b = 0; b < batch.lanes; ++b) {
      std::vector<int32_t> ids;
      for (int64_t id : lane_tokens(batch, b)) ids.push_back(static_cast<int32_t>(id));
      seen.insert(tokenizer->decode(ids, true));
    }
  }
  CHECK(seen.size() == 54);
  for (const std::string& text : held) CHECK(seen.count(text) == 0);
}

TEST_CASE("bad documents are counted with their coordinates, up to a share") {
  TokenizerPtr tokenizer = make_byte_tokenizer();
  StreamOptions options = small_options();
  options.bad_share = 0.25;
  TokenStream stream({{std::make_shared<CountingSource>(5), 1}}, tokenizer, options);
  for (int i = 0; i < 100; ++i) stream.next(2, 16);
  Table report = stream.report();
  const Table& source = find(report, "sources")->as_list()[0].as_table();
  CHECK(find(source, "bad_documents")->as_int() > 20);
  CHECK(find(report, "bad")->as_list().back().as_string().find("broken") != std::string::npos);

  options.bad_share = 0.1;
  TokenStream strict({{std::make_shared<CountingSource>(5), 1}}, tokenizer, options);
  std::string message;
  std::string before;
  try {
    for (int i = 0; i < 100; ++i) {
      before = write_json(strict.cursor());
      strict.next(2, 16);
    }
  } catch (const Error& error) {
    message = error.what();
  }
  CHECK(message.find("bad documents of") != std::string::npos);
  CHECK(message.find("row ") != std::string::npos);
  // The call that failed has served nothing.
  CHECK(write_json(strict.cursor()) == before);
}

TEST_CASE("any other exception of a source ends the stream at its place, again and again") {
  class Failing : public CountingSource {
   public:
    Failing() : CountingSource(0) {}
    Document document(uint64_t index) const override {
      if (index == 20) throw std::runtime_error("out of paper");
      return CountingSource::document(index);
    }
  };
  TokenizerPtr tokenizer = make_byte_tokenizer();
  StreamOptions options = small_options();
  options.threads = 2;
  TokenStream stream({{std::make_shared<Failing>(), 1}}, tokenizer, options);
  int good = 0;
  try {
    for (; good < 1000; ++good) stream.next(1, 8);
  } catch (const std::runtime_error& error) {
    CHECK(std::string(error.what()) == "out of paper");
  }
  CHECK(good > 3);
  CHECK(good < 1000);
  CHECK_THROWS_AS(stream.next(1, 8), std::runtime_error);
}

TEST_CASE("sources without a usable document fail instead of searching for ever") {
  TokenizerPtr tokenizer = make_byte_tokenizer();
  TokenStream stream({{list("empty", {"", "", ""}), 1}}, tokenizer, small_options());
  CHECK_THROWS_WITH(stream.next(1, 8), Catch::Contains("no usable document"));
}

TEST_CASE("cursors of other streams are refused") {
  TokenizerPtr tokenizer = make_byte_tokenizer();
  TokenStream stream(three_sources(1), tokenizer, small_options());
  stream.next(2, 16);
  Table cursor = stream.cursor();
  StreamOptions options = small_options();
  options.lanes = 4;
  CHECK_THROWS_WITH(TokenStream(three_sources(1), tokenizer, options).seek(cursor),
                    Catch::Contains("lanes"));
  options = small_options();
  options.seed = 8;
  CHECK_THROWS_WITH(TokenStream(three_sources(1), tokenizer, options).seek(cursor),
                    Catch::Contains("seed"));
  auto fewer = three_sources(1);
  fewer.pop_back();
  CHECK_THROWS_AS(TokenStream(fewer, tokenizer, small_options()).seek(cursor), Error);
  auto others = three_sources(1);
  others[0].source = list("other", {"x y z"});
  CHECK_THROWS_WITH(TokenStream(others, tokenizer, small_options()).seek(cursor),
                    Catch::Contains("web"));
  // Shorter documents than the cursor says.
  auto changed = three_sources(1);
  changed[0].source = list("web", std::vector<std::string>(40, "ab"));
  CHECK_THROWS_WITH(TokenStream(changed, tokenizer, small_options()).seek(cursor),
                    Catch::Contains("lane"));
  CHECK_THROWS_AS(stream.seek({}), Error);
  Table hostile = cursor;
  hostile["lanes"].as_list()[0].as_table()["source"] = 77;
  CHECK_THROWS_AS(stream.seek(hostile), Error);
  hostile = cursor;
  hostile["lanes"].as_list()[0].as_table()["offset"] = -5;
  CHECK_THROWS_AS(stream.seek(hostile), Error);
  // After all that the stream is where it was.
  CHECK(write_json(stream.cursor()) == write_json(cursor));
}

TEST_CASE("absurd shapes and options are refused") {
  TokenizerPtr tokenizer = make_byte_tokenizer();
  TokenStream stream(three_sources(1), tokenizer, small_options());
  CHECK_THROWS_AS(stream.next(0, 8), Error);
  CHECK_THROWS_AS(stream.next(8, -1), Error);
  CHECK_THROWS_AS(stream.next(int64_t{1} << 40, int64_t{1} << 40), Error);
  StreamOptions options = small_options();
  options.lanes = 0;
  CHECK_THROWS_AS(TokenStream(three_sources(1), tokenizer, options), Error);
  options = small_options();
  options.threads = -1;
  CHECK_THROWS_AS(TokenStream(three_sources(1), tokenizer, options), Error);
  CHECK_THROWS_AS(TokenStream({}, tokenizer, small_options()), Error);
  CHECK_THROWS_AS(read_stream_options({{"lane", 3}}), Error);
  CHECK(read_stream_options({{"lanes", 3}, {"pack_tokens", 0}}).lanes == 3);
}

TEST_CASE("two sources of one name are told apart") {
  TokenizerPtr tokenizer = make_byte_tokenizer();
  auto texts = random_texts("d", 30, 5, 30, 2);
  TokenStream stream({{list("docs", texts), 1}, {list("docs", texts), 1}}, tokenizer,
                     small_options());
  List sources = find(stream.report(), "sources")->as_list();
  CHECK(find(sources[1].as_table(), "name")->as_string() == "docs#2");
}

TEST_CASE("seeking reads the lanes' documents and nothing else") {
  class Counted : public CountingSource {
   public:
    Counted() : CountingSource(0) {}
    Document document(uint64_t index) const override {
      ++reads;
      Document document;
      document.text = std::string(100, static_cast<char>('a' + index % 26));
      return document;
    }
    mutable std::atomic<int> reads = 0;
  };
  TokenizerPtr tokenizer = make_byte_tokenizer();
  StreamOptions options = small_options();
  options.lanes = 5;
  TokenStream stream({{std::make_shared<Counted>(), 1}}, tokenizer, options);
  for (int i = 0; i < 501; ++i) stream.next(1, 33);
  auto source = std::make_shared<Counted>();
  TokenStream other({{source, 1}}, tokenizer, options);
  other.seek(stream.cursor());
  CHECK(source->reads == 5);
  CHECK(dump(other.next(1, 33)) == dump(stream.next(1, 33)));
}

TEST_CASE("waiting for a source that hangs ends at Ctrl-C, and the stream goes on afterwards") {
  class Slow : public CountingSource {
   public:
    Slow() : CountingSource(0) {}
    Document document(uint64_t index) const override {
      while (!go) std::this_thread::sleep_for(std::chrono::milliseconds(1));
      return CountingSource::document(index);
    }
    mutable std::atomic<bool> go = false;
  };
  TokenizerPtr tokenizer = make_byte_tokenizer();
  StreamOptions options = small_options();
  options.threads = 2;
  auto slow = std::make_shared<Slow>();
  TokenStream stream({{slow, 1}}, tokenizer, options);
  // The first call has the workers begin; a worker must hold the first document before the flag is
  // raised, or this thread would read it itself and hang.
  std::thread interrupter([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
    request_cancel();
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
    slow->go = true;  // lets go even when nobody was interrupted
  });
  bool interrupted = false;
  try {
    stream.next(1, 8);
  } catch (const Interrupted&) {
    interrupted = true;
  }
  interrupter.join();
  clear_cancel();
  TokenStream fresh({{slow, 1}}, tokenizer, options);
  if (interrupted) CHECK(dump(stream.next(1, 8)) == dump(fresh.next(1, 8)));
}
