// Exact resume for every source, alone and mixed, with every unit, packing and set of filters: a
// stream that is left at random steps and at ends of epochs, and goes on from its cursor (as text,
// twice, with other threads), gives what one gives that was never left.
#include <functional>
#include <set>

#include "core/base/error.h"
#include "core/base/file.h"
#include "core/base/json.h"
#include "core/base/random.h"
#include "core/data/open_source.h"
#include "core/data/parquet_source.h"
#include "tests/catch.h"
#include "tests/checkpoint/pt_bytes.h"
#include "tests/compressed_bytes.h"
#include "tests/data/support.h"
#include "tokenizer/id_format.h"

using namespace rmkv;
using namespace rmkv::test;

namespace {

// A source of a few dozen documents, opened anew each time.
struct Sample {
  std::string name;
  std::function<SourcePtr(const List& filters)> open;
  bool text = true;  // false: token ids
  bool endless = false;
};

// Documents of very different lengths, some of them twice.
std::vector<std::string> sample_texts(const std::string& name) {
  std::vector<std::string> texts = random_texts(name, 30, 5, 90, 17);
  for (size_t i = 0; i < 3; ++i) texts.push_back(texts[i * 7]);
  texts.push_back(random_texts(name, 1, 700, 700, 18)[0]);
  return texts;
}

std::string lines(const std::string& name, const std::string& before, const std::string& after) {
  std::string all;
  for (const std::string& text : sample_texts(name)) all += before + text + after + "\n";
  return all;
}

std::vector<int32_t> sample_ids(const std::string& name) {
  std::vector<int32_t> ids;
  for (const std::string& text : sample_texts(name))
    ids.insert(ids.end(), text.begin(), text.end());
  return ids;
}

std::string u16_of(const std::vector<int32_t>& list) {
  std::string bytes;
  for (int32_t id : list) bytes += little(static_cast<uint64_t>(id), 2);
  return bytes;
}

// A Megatron .idx of documents of 40 tokens.
std::string megatron_index(uint64_t tokens) {
  const uint64_t count = tokens / 40;
  std::string bytes = std::string("MMIDIDX\0\0", 9) + little(1, 8) + '\x08' + little(count, 8) +
                      little(count + 1, 8);
  for (uint64_t i = 0; i < count; ++i) bytes += little(40, 4);
  for (uint64_t i = 0; i < count; ++i) bytes += little(80 * i, 8);
  for (uint64_t i = 0; i <= count; ++i) bytes += little(i, 8);
  return bytes;
}

class Endless : public DocumentSource {
 public:
  std::string name() const override { return "endless"; }
  uint64_t document_count() const override { return kUnlimited; }
  Document document(uint64_t id) const override {
    if (id % 50 == 49) throw BadDocument("document " + std::to_string(id) + ": damaged");
    Document document;
    document.text = std::string(1 + mix64(id, 3) % 90, static_cast<char>('a' + id % 26));
    if (id % 3 == 0) document.loss_spans = {{0, document.text.size() / 2, 0}};
    return document;
  }
  Table manifest() const override { return {{"kind", "endless"}}; }
};

std::vector<Sample> all_samples(const TemporaryFolder& folder) {
  std::vector<Sample> samples;
  const auto add = [&](const std::string& name, bool text, Table options = {}) {
    options["cache"] = folder / "cache";
    const std::string path = folder / name;
    samples.push_back({name,
                       [path, options](const List& filters) {
                         Table given = options;
                         if (!filters.empty()) given["filters"] = filters;
                         return open_source(path, given);
                       },
                       text});
  };
  const auto file = [&](const std::string& name, const std::string& content, bool text = true,
                        Table options = {}) {
    write(folder, name, content);
    add(name, text, std::move(options));
  };
  file("pieces.txt", lines("p", "", ""), true, {{"document_bytes", 100}});
  file("paragraphs.txt", lines("q", "", "\n"), true, {{"split", "paragraphs"}});
  for (int i = 0; i < 9; ++i)
    write(folder, "folder/" + std::to_string(i) + ".txt",
          sample_texts("f")[static_cast<size_t>(i)]);
  add("folder", true);
  file("rows.jsonl", lines("r", "{\"text\":\"", "\"}"));
  file("masked.jsonl", lines("m", "{\"question\":\"why?\",\"answer\":\"", "\"}"), true,
       {{"mask_prompt", true}});
  file("table.csv", "text,n\n" + lines("c", "\"", "\",1"));
  file("table.tsv", "text\tn\n" + lines("t", "", "\t1"));
  file("packed.jsonl.gz", test::gzip_bytes(lines("g", "{\"text\":\"", "\"}")));
  file("packed.jsonl.zst", test::zstd_bytes(lines("z", "{\"text\":\"", "\"}"), false));
  file("ids.npy", write_ids(sample_ids("i"), IdFormat::kNpy), false, {{"piece_tokens", 60}});
  const std::vector<int32_t> ids = sample_ids("b");
  std::string head = little(20240520, 4) + little(1, 4) + little(ids.size(), 4);
  head.resize(1024);
  file("llmc.bin", head + u16_of(ids), false, {{"piece_tokens", 60}});
  write(folder, "megatron.idx", megatron_index(ids.size()));
  file("megatron.bin", u16_of(ids), false);
  write(folder, "snapshot/train.jsonl", lines("h", "{\"text\":\"", "\"}"));
  const std::string snapshot = "hub:" + folder / "snapshot";
  samples.push_back({"hub",
                     [snapshot, &folder](const List& filters) {
                       Table given{{"cache", folder / "cache"}, {"name", "hub"}};
                       if (!filters.empty()) given["filters"] = filters;
                       return open_source(snapshot, given);
                     },
                     true});
  try {
    make_folders(folder / "shards");
    const auto part = [&](const char* name) { return TextTable{{"text"}, {sample_texts(name)}}; };
    write_parquet(folder / "shards/0.parquet", part("x"), 7, "zstd");
    write_parquet(folder / "shards/1.parquet", part("y"), 40, "snappy");
    add("shards", true);
  } catch (const Error& error) {
    if (std::string(error.what()).find("scripts/setup") == std::string::npos) throw;
    WARN("SKIPPED: parquet, Arrow is not there");
  }
  samples.push_back(
      {"endless", [](const List&) { return std::make_shared<const Endless>(); }, true, true});
  return samples;
}

struct Setting {
  std::string unit, packing;
  int64_t pack_tokens = 0;
  bool filtered = false;
  std::string text() const {
    return unit + ", " + packing + " " + std::to_string(pack_tokens) +
           (filtered ? ", filtered" : "");
  }
};

std::vector<Setting> all_settings() {
  std::vector<Setting> settings;
  for (const char* unit : {"tokens", "documents", "bytes"}) {
    for (const auto& [packing, pack] :
         {std::pair{"join", 0}, std::pair{"join", 120}, std::pair{"best_fit", 120}}) {
      for (bool filtered : {false, true}) settings.push_back({unit, packing, pack, filtered});
    }
  }
  return settings;
}

// One stream that is never left against one that is left at random steps.
void check_resume(const std::vector<const Sample*>& samples, const Setting& setting,
                  uint64_t seed) {
  std::string names;
  for (const Sample* sample : samples) names += sample->name + " ";
  INFO(names << "| " << setting.text() << " | seed " << seed);
  const auto make = [&](int64_t threads) {
    std::vector<StreamSource> sources;
    for (size_t i = 0; i < samples.size(); ++i) {
      List filters;
      const Table length{{"name", "length"}, {"min", 12}, {"unit", "tokens"}};
      if (setting.filtered && !samples[i]->endless) filters = {"dedup", length};
      sources.push_back({samples[i]->open(filters), i == 0 ? 3.0 : 1.0});
    }
    StreamOptions options;
    options.lanes = 2;
    options.seed = static_cast<int64_t>(seed % 1000);
    options.unit = setting.unit;
    options.packing = setting.packing;
    options.pack_tokens = setting.pack_tokens;
    options.validation_share = seed % 2 ? 0.1 : 0;
    options.threads = threads;
    options.prefetch_tokens = threads == 2 ? 64 : 4096;
    options.bad_share = 0.2;
    return std::make_unique<TokenStream>(std::move(sources), make_byte_tokenizer(), options);
  };
  RandomStream random(seed, "resume");
  auto straight = make(0), other = make(2);
  const auto first_epoch = [&] {
    return find(find(straight->report(), "sources")->as_list()[0].as_table(), "epoch")->as_int();
  };
  int64_t epoch = 0;
  const int steps = 24;
  for (int step = 0; step < steps; ++step) {
    if (step == steps / 2) {
      std::vector<double> weights(samples.size(), 1);
      weights[0] = 0.5;
      straight->set_weights(weights);
      other->set_weights(weights);
    }
    const bool epoch_ended = first_epoch() != epoch;
    epoch = first_epoch();
    if (epoch_ended || random.below(6) == 0) {
      const std::string cursor = write_json(other->cursor());
      const int64_t threads = static_cast<int64_t>(random.below(3));
      for (int twice = 0; twice < 2; ++twice) {
        other = make((threads + twice) % 3);
        other->seek(parse_json(cursor, "cursor").as_table());
        REQUIRE(write_json(other->cursor()) == cursor);
      }
    }
    const int64_t segments = 1 + static_cast<int64_t>(random.below(3));
    const int64_t tokens = 20 + static_cast<int64_t>(random.below(100));
    const int64_t reset = random.below(3) == 0 ? 50 : 0;
    const std::string expected = dump(straight->next(segments, tokens, reset));
    REQUIRE(dump(other->next(segments, tokens, reset)) == expected);
  }
  CHECK(write_json(other->cursor()) == write_json(straight->cursor()));
}

}  // namespace

TEST_CASE("every source goes on exactly, with the settings in turn") {
  const TemporaryFolder folder;
  const auto samples = all_samples(folder);
  const auto settings = all_settings();
  uint64_t seed = 20261121;
  size_t turn = 0;
  for (const Sample& sample : samples) {
    for (int i = 0; i < 3; ++i) check_resume({&sample}, settings[turn++ * 7 % 18], ++seed);
  }
}

TEST_CASE("all sources mixed go on exactly, with every setting") {
  const TemporaryFolder folder;
  const auto samples = all_samples(folder);
  std::vector<const Sample*> all;
  for (const Sample& sample : samples) all.push_back(&sample);
  uint64_t seed = 1121;
  for (const Setting& setting : all_settings()) check_resume(all, setting, ++seed);
}

TEST_CASE("every source with every setting, and random mixtures, go on exactly", "[slow]") {
  const TemporaryFolder folder;
  const auto samples = all_samples(folder);
  const uint64_t start = 7'000;
  RandomStream random(start, "mixtures");
  uint64_t seed = start;
  for (const Setting& setting : all_settings()) {
    for (const Sample& sample : samples) check_resume({&sample}, setting, ++seed);
    for (int i = 0; i < 20; ++i) {
      std::set<const Sample*> chosen;
      const size_t wanted = 2 + random.below(4);
      while (chosen.size() < wanted) chosen.insert(&samples[random.below(samples.size())]);
      check_resume({chosen.begin(), chosen.end()}, setting, ++seed);
    }
  }
}
