// The evaluation stream: a LaneFeeder in order of index that comes to an end.
#include "core/data/evaluation_stream.h"

#include "core/base/option_reader.h"
#include "core/data/lane_feeder.h"

namespace rmkv {

namespace {

FeederOptions feeder_options(const EvaluationStreamOptions& options) {
  if (options.lanes < 1 || options.lanes > (1 << 16)) {
    fail("evaluation stream: lanes", std::to_string(options.lanes), "1 to 65536");
  }
  if (options.threads < 0 || options.threads > 256) {
    fail("evaluation stream: threads", std::to_string(options.threads), "0 to 256");
  }
  FeederOptions feeder;
  feeder.lanes = options.lanes;
  feeder.order.split = options.split;
  feeder.order.validation_share = options.validation_share;
  feeder.order.endless = false;
  feeder.max_tokens = options.max_tokens;
  feeder.threads = options.threads;
  feeder.prefetch_tokens = int64_t{1} << 18;
  feeder.bad_share = 1.0;  // an evaluation reads what is there
  return feeder;
}

void require_documents(const std::vector<StreamSource>& sources,
                       const EvaluationStreamOptions& options) {
  if (options.split != Split::kValidation) return;
  for (const StreamSource& entry : sources) {
    uint64_t count = entry.source->document_count();
    if (options.validation_share > 0 && count >= 2) return;
  }
  fail("evaluation stream", "no document held out", "at least one",
       "a source of one document cannot be divided: give validation text of its own");
}

}  // namespace

EvaluationStreamOptions read_evaluation_stream_options(const Table& table) {
  EvaluationStreamOptions options;
  std::string split = "all";
  OptionReader reader(table, "evaluation stream");
  reader.read("lanes", options.lanes, 1, 1 << 16);
  reader.read("split", split, {"all", "training", "validation"});
  reader.read("validation_share", options.validation_share, 0.0, 0.5);
  reader.read("max_tokens", options.max_tokens, 0);
  reader.read("threads", options.threads, 0, 256);
  reader.finish();
  options.split = split == "all"        ? Split::kAll
                  : split == "training" ? Split::kTraining
                                        : Split::kValidation;
  return options;
}

class EvaluationStream::Implementation {
 public:
  Implementation(std::vector<StreamSource> sources, TokenizerPtr tokenizer,
                 const EvaluationStreamOptions& options)
      : feeder((require_documents(sources, options), std::move(sources)), std::move(tokenizer),
               feeder_options(options)) {}

  LaneFeeder feeder;
};

EvaluationStream::EvaluationStream(std::vector<StreamSource> sources, TokenizerPtr tokenizer,
                                   EvaluationStreamOptions options)
    : implementation_(
          std::make_unique<Implementation>(std::move(sources), std::move(tokenizer), options)) {}

EvaluationStream::~EvaluationStream() = default;

bool EvaluationStream::next(int64_t segments, int64_t segment_tokens, Batch& batch) {
  return implementation_->feeder.next(segments, segment_tokens, batch);
}

void EvaluationStream::rewind() {
  implementation_->feeder.rewind();
}
Table EvaluationStream::report() const {
  return implementation_->feeder.report();
}

}  // namespace rmkv
