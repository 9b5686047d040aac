// Losses on held-out text and what the memory is worth there.
//
// Real losses come from the true memory of each lane.  An ablation replaces the memory just before
// one segment, runs that segment, and goes on with the true memory: every difference is paired,
// token by token.  Only segments whose document has been running for at least one segment count
// (before that there is no memory to take away). Deterministic.  Source: memory-model.md, section
// 5; memory-architectures.md, section 5.1.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "core/data/batch.h"
#include "core/models/language_model.h"

namespace rmkv {

struct EvaluationOptions {
  at::ScalarType compute_dtype = at::kFloat;
  int64_t max_tokens = 0;  // stop after about so many tokens; 0: all
  bool memory = true;      // the ablations and readings below
  // Which ablations; empty: "shuffled", "zeroed", "initial" and "stale".  Each costs as much as the
  // evaluation itself.
  std::vector<std::string> ablations;
  int64_t ablate_every = 1;    // segments between two that are ablated: fewer labels, less work
  int64_t stale_segments = 4;  // how old the stale memory is
  uint64_t seed = 0;           // of the derangements
};

// loss(ablated) - loss(true), nats per label, with a paired 95 % confidence interval over samples:
// documents, cut every 16 segments.  Positive: the memory helps.  The interval is infinite below
// two samples.
struct MemoryEffect {
  double difference = 0.0;
  double low = 0.0, high = 0.0;
  int64_t labels = 0;
  int64_t samples = 0;
};

struct SourceLoss {
  double loss = 0.0;           // mean nats per label
  double bits_per_byte = 0.0;  // NaN where the batches do not tell bytes per segment
  int64_t labels = 0;
  int64_t bytes = 0;
};

struct EvaluationReport {
  double loss = 0.0;           // mean nats per label; NaN without labels
  double bits_per_byte = 0.0;  // total loss / (bytes * ln 2); NaN without bytes
  int64_t tokens = 0, labels = 0, bytes = 0;
  std::map<int64_t, SourceLoss> sources;  // by Batch::sources
  // Mean loss by the number of segments that the document had already when the segment began; the
  // last entry collects all beyond.  A memory that works falls from entry to entry.
  std::vector<double> loss_by_age;
  // Filled when options.memory, the model has memory, and (shuffled) there are two lanes or more.
  MemoryEffect shuffled, zeroed, initial, stale;
  // Likewise, by name, means over the labels, or lanes, of running documents in every fourth
  // segment: what tokens read (ForwardOptions::readings), the model's probes "slot_cosine.." and
  // "rank..", and "write_norm.NAME", the change of a memory against its norm.
  std::map<std::string, double> readings;
};

// Fills the batch and returns true, or returns false at the end.  Batches follow each other lane by
// lane.
using BatchSource = std::function<bool(Batch&)>;

EvaluationReport evaluate(LanguageModel& model, const BatchSource& batches,
                          const EvaluationOptions& options = {});

}  // namespace rmkv
