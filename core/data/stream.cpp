// The training stream: a LaneFeeder that never ends.
#include "core/data/stream.h"

#include "core/base/option_reader.h"
#include "core/data/lane_feeder.h"

namespace rmkv {

namespace {

constexpr int64_t kLargestLanes = 1 << 16;
constexpr int64_t kLargestThreads = 256;

FeederOptions feeder_options(const StreamOptions& options) {
  auto in_range = [](const char* name, int64_t value, int64_t low, int64_t high) {
    if (value < low || value > high) {
      fail(std::string("stream: ") + name, std::to_string(value),
           std::to_string(low) + " to " + std::to_string(high));
    }
  };
  in_range("lanes", options.lanes, 1, kLargestLanes);
  in_range("pack_tokens", options.pack_tokens, 0, INT32_MAX);
  in_range("threads", options.threads, 0, kLargestThreads);
  in_range("prefetch_tokens", options.prefetch_tokens, 0, INT64_MAX);
  FeederOptions feeder;
  feeder.lanes = options.lanes;
  feeder.order.split = Split::kTraining;
  feeder.order.validation_share = options.validation_share;
  feeder.order.seed = static_cast<uint64_t>(options.seed);
  feeder.order.endless = true;
  feeder.pack_tokens = options.pack_tokens;
  feeder.best_fit = options.packing == "best_fit";
  feeder.unit = options.unit == "documents" ? MixUnit::kDocuments
                : options.unit == "bytes"   ? MixUnit::kBytes
                                            : MixUnit::kTokens;
  feeder.stop_together = options.exhaustion == "stop";
  feeder.order.epochs = options.exhaustion == "repeat" ? 0 : static_cast<uint64_t>(options.epochs);
  feeder.threads = options.threads;
  feeder.prefetch_tokens = options.prefetch_tokens;
  feeder.bad_share = options.bad_share;
  return feeder;
}

}  // namespace

StreamOptions read_stream_options(const Table& table) {
  StreamOptions options;
  OptionReader reader(table, "stream");
  reader.read("lanes", options.lanes, 1, kLargestLanes);
  reader.read("seed", options.seed);
  reader.read("pack_tokens", options.pack_tokens, 0, INT32_MAX);
  reader.read("packing", options.packing, {"join", "best_fit"});
  reader.read("unit", options.unit, {"tokens", "documents", "bytes"});
  reader.read("exhaustion", options.exhaustion, {"repeat", "stop", "renormalise"});
  reader.read("epochs", options.epochs, 1, int64_t{1} << 30);
  reader.read("validation_share", options.validation_share, 0.0, 0.5);
  reader.read("threads", options.threads, 0, kLargestThreads);
  reader.read("prefetch_tokens", options.prefetch_tokens, 0);
  reader.read("bad_share", options.bad_share, 0.0, 1.0);
  reader.finish();
  return options;
}

class TokenStream::Implementation {
 public:
  Implementation(std::vector<StreamSource> sources, TokenizerPtr tokenizer, StreamOptions options)
      : feeder(std::move(sources), std::move(tokenizer), feeder_options(options)),
        options(options) {}

  LaneFeeder feeder;
  StreamOptions options;
};

TokenStream::TokenStream(std::vector<StreamSource> sources, TokenizerPtr tokenizer,
                         StreamOptions options)
    : implementation_(
          std::make_unique<Implementation>(std::move(sources), std::move(tokenizer), options)) {}

TokenStream::~TokenStream() = default;

Batch TokenStream::next(int64_t segments, int64_t segment_tokens, int64_t reset_tokens) {
  Batch batch;
  implementation_->feeder.next(segments, segment_tokens, batch, reset_tokens);
  return batch;
}

void TokenStream::set_weights(const std::vector<double>& weights) {
  implementation_->feeder.set_weights(weights);
}

Table TokenStream::cursor() const {
  return implementation_->feeder.cursor();
}
void TokenStream::seek(const Table& cursor) {
  implementation_->feeder.seek(cursor);
}
Table TokenStream::report() const {
  return implementation_->feeder.report();
}
int64_t TokenStream::served_tokens() const {
  return implementation_->feeder.served_tokens();
}

Table TokenStream::manifest() const {
  const LaneFeeder& feeder = implementation_->feeder;
  const StreamOptions& options = implementation_->options;
  List sources;
  for (size_t i = 0; i < feeder.sources().size(); ++i) {
    Table entry = feeder.sources()[i].source->manifest();
    entry["name"] = feeder.names()[i];
    sources.push_back(std::move(entry));
  }
  return {{"tokenizer", feeder.tokenizer()->fingerprint()},
          {"seed", options.seed},
          {"pack_tokens", options.pack_tokens},
          {"packing", options.packing},
          {"unit", options.unit},
          {"exhaustion", options.exhaustion},
          {"epochs", options.epochs},
          {"validation_share", options.validation_share},
          {"sources", std::move(sources)}};
}

}  // namespace rmkv
