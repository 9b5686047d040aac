// Helpers of the data tests.
#include "tests/data/support.h"

#include <cmath>
#include <filesystem>

#include "core/base/file.h"
#include "core/base/random.h"
#include "core/data/validation_split.h"
#include "core/tensor/torch.h"

namespace rmkv::test {

std::string write(const TemporaryFolder& folder, const std::string& name,
                  const std::string& content) {
  std::string path = folder / name;
  make_folders(std::filesystem::path(path).parent_path().string());
  write_file_atomic(path, content);
  return path;
}

std::vector<std::string> random_texts(const std::string& name, size_t count, size_t low,
                                      size_t high, uint64_t seed) {
  RandomStream random(seed, "texts " + name);
  std::vector<std::string> texts(count);
  for (size_t i = 0; i < count; ++i) {
    texts[i] = name + std::to_string(i) + ":";
    size_t length = low + random.below(high - low + 1);
    while (texts[i].size() < length) texts[i] += static_cast<char>('a' + random.below(26));
  }
  return texts;
}

SourcePtr list(const std::string& name, std::vector<std::string> texts) {
  return std::make_shared<ListSource>(name, texts);
}

std::vector<int64_t> lane_tokens(const Batch& batch, int64_t lane) {
  std::vector<int64_t> tokens;
  for (int64_t i = 0; i < batch.segments * batch.segment_tokens; ++i) {
    if (batch.valid.defined() && !batch.valid[lane][i].item<bool>()) continue;
    tokens.push_back(batch.tokens[lane][i].item<int64_t>());
  }
  return tokens;
}

std::string dump(const Batch& batch) {
  std::string text = std::to_string(batch.token_count) + " " + std::to_string(batch.label_count) +
                     " " + std::to_string(batch.byte_count) + "\n";
  const int64_t* tokens = batch.tokens.data_ptr<int64_t>();
  const int64_t* labels = batch.labels.data_ptr<int64_t>();
  const bool* valid = batch.valid.defined() ? batch.valid.data_ptr<bool>() : nullptr;
  int64_t cell = 0;
  for (int64_t row = 0; row < batch.lanes * batch.segments; ++row) {
    text += batch.resets.data_ptr<bool>()[row] ? "R" : ".";
    text += std::to_string(batch.sources.data_ptr<int64_t>()[row]) + " bytes " +
            std::to_string(batch.bytes.data_ptr<int64_t>()[row]) + ": ";
    for (int64_t i = 0; i < batch.segment_tokens; ++i, ++cell) {
      if (valid != nullptr && !valid[cell]) {
        text += "_";
        continue;
      }
      text += std::to_string(tokens[cell]) + ">" + std::to_string(labels[cell]) + " ";
    }
    text += "\n";
  }
  return text;
}

SlowStream::SlowStream(std::vector<StreamSource> sources, TokenizerPtr tokenizer,
                       StreamOptions options)
    : sources_(std::move(sources)),
      tokenizer_(std::move(tokenizer)),
      options_(options),
      ordinals_(sources_.size(), 0),
      served_(sources_.size(), 0),
      taken_tokens_(sources_.size(), 0),
      taken_texts_(sources_.size(), 0),
      lanes_(static_cast<size_t>(options.lanes)) {}

std::vector<int64_t> SlowStream::next_text(size_t source) {
  const SourcePtr& from = sources_[source].source;
  ValidationSplit split(from, options_.validation_share);
  std::vector<int64_t> all;
  do {
    uint64_t count = from->document_count(), ordinal = ordinals_[source]++;
    uint64_t index = permuted_index(ordinal % count, count, static_cast<uint64_t>(options_.seed),
                                    from->name(), ordinal / count);
    if (split.held_out(index)) continue;
    std::string text = from->document(index).text;
    if (text.empty()) continue;
    for (int32_t id : tokenizer_->encode(text)) all.push_back(id);
    all.push_back(tokenizer_->special("<end>"));
  } while (static_cast<int64_t>(all.size()) < std::max<int64_t>(1, options_.pack_tokens));
  return all;
}

Batch SlowStream::next(int64_t segments, int64_t segment_tokens) {
  Batch batch;
  batch.lanes = options_.lanes;
  batch.segments = segments;
  batch.segment_tokens = segment_tokens;
  int64_t width = segments * segment_tokens;
  batch.tokens = at::full({options_.lanes, width}, tokenizer_->special("<pad>"), at::kLong);
  batch.labels = at::full({options_.lanes, width}, kIgnoreLabel, at::kLong);
  batch.valid = at::zeros({options_.lanes, width}, at::kBool);
  batch.resets = at::zeros({options_.lanes, segments}, at::kBool);
  batch.sources = at::full({options_.lanes, segments}, -1, at::kLong);
  batch.bytes = at::zeros({options_.lanes, segments}, at::kLong);
  double weight_sum = 0;
  for (const StreamSource& entry : sources_) weight_sum += entry.weight;
  for (int64_t s = 0; s < segments; ++s) {
    for (int64_t b = 0; b < options_.lanes; ++b) {
      Lane& lane = lanes_[static_cast<size_t>(b)];
      if (lane.at == lane.tokens.size()) {
        lane.tokens.clear();
        double horizon = 0;
        std::vector<double> ahead = served_;
        for (size_t i = 0; i < sources_.size(); ++i) {
          if (taken_texts_[i] > 0) {
            horizon = std::max(horizon, std::floor(taken_tokens_[i] / taken_texts_[i]));
          }
        }
        for (const Lane& other : lanes_) {
          if (other.at < other.tokens.size()) ahead[other.source] += horizon;
        }
        double total = horizon;
        for (double tokens : ahead) total += tokens;
        size_t best = 0;
        auto deficit = [&](size_t i) { return sources_[i].weight * total - ahead[i] * weight_sum; };
        for (size_t i = 1; i < sources_.size(); ++i) {
          if (deficit(i) > deficit(best) ||
              (deficit(i) == deficit(best) && sources_[i].weight > sources_[best].weight)) {
            best = i;
          }
        }
        lane.source = best;
        lane.tokens = next_text(best);
        taken_tokens_[best] += static_cast<double>(lane.tokens.size());
        taken_texts_[best] += 1;
        lane.at = 0;
      }
      batch.resets[b][s] = lane.at == 0;
      batch.sources[b][s] = static_cast<int64_t>(lane.source);
      int64_t bytes = 0;
      for (int64_t i = 0; i < segment_tokens && lane.at < lane.tokens.size(); ++i, ++lane.at) {
        int64_t column = s * segment_tokens + i;
        batch.tokens[b][column] = lane.tokens[lane.at];
        batch.valid[b][column] = true;
        ++batch.token_count;
        served_[lane.source] += 1;
        if (lane.at + 1 < lane.tokens.size()) {
          int32_t label = static_cast<int32_t>(lane.tokens[lane.at + 1]);
          batch.labels[b][column] = label;
          ++batch.label_count;
          if (!tokenizer_->is_special(label)) bytes += tokenizer_->token_bytes(label).size();
        }
      }
      batch.bytes[b][s] = bytes;
      batch.byte_count += bytes;
    }
  }
  if (batch.token_count == batch.valid.numel()) batch.valid = Tensor();
  return batch;
}

}  // namespace rmkv::test
