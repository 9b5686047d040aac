// Filling of batch tensors through raw pointers.
#include "core/data/batch_writer.h"

#include <algorithm>

#include "core/tensor/torch.h"

namespace rmkv {
namespace {

// In this thread: LibTorch's fill would wake all threads for it and, where they are busy, wait for
// them longer than the filling takes.
template <typename T>
Tensor filled(at::IntArrayRef shape, T value) {
  Tensor result = at::empty(shape, c10::CppTypeToScalarType<T>::value);
  std::fill_n(result.mutable_data_ptr<T>(), result.numel(), value);
  return result;
}

}  // namespace

BatchWriter::BatchWriter(const StreamVocabulary& vocabulary, int64_t lanes, int64_t segments,
                         int64_t segment_tokens)
    : vocabulary_(vocabulary) {
  int64_t width = segments * segment_tokens;
  batch_.lanes = lanes;
  batch_.segments = segments;
  batch_.segment_tokens = segment_tokens;
  batch_.tokens = filled<int64_t>({lanes, width}, vocabulary.pad);
  batch_.labels = filled<int64_t>({lanes, width}, kIgnoreLabel);
  batch_.valid = filled({lanes, width}, false);
  batch_.resets = filled({lanes, segments}, false);
  batch_.sources = filled<int64_t>({lanes, segments}, -1);
  batch_.documents = filled<int64_t>({lanes, width}, -1);
  batch_.positions = filled<int64_t>({lanes, width}, 0);
  batch_.bytes = filled<int64_t>({lanes, segments}, 0);
}

int64_t BatchWriter::write(int64_t lane, int64_t segment, int64_t source,
                           const EncodedDocument& encoded, int64_t offset, bool reset) {
  const int64_t size = static_cast<int64_t>(encoded.tokens.size());
  const int64_t count = std::min(batch_.segment_tokens, size - offset);
  const int64_t labelled = std::min(count, size - offset - 1);
  const int64_t cell = lane * batch_.segments + segment;
  const int64_t row = cell * batch_.segment_tokens;
  const int32_t* from = encoded.tokens.data() + offset;
  int64_t* tokens = batch_.tokens.data_ptr<int64_t>() + row;
  int64_t* labels = batch_.labels.data_ptr<int64_t>() + row;
  bool* valid = batch_.valid.data_ptr<bool>() + row;
  int64_t bytes = 0, label_count = 0;
  std::copy(from, from + count, tokens);
  std::fill(valid, valid + count, true);
  write_documents(row, encoded.starts, offset, count);
  for (int64_t i = 0; i < labelled; ++i) {
    float weight =
        encoded.weights.empty() ? 1.0f : encoded.weights[static_cast<size_t>(offset + i + 1)];
    if (weight == 0) continue;
    if (weight != 1) set_weight(row + i, weight);
    labels[i] = from[i + 1];
    bytes += vocabulary_.byte_counts[static_cast<size_t>(from[i + 1])];
    ++label_count;
  }
  batch_.resets.data_ptr<bool>()[cell] = reset;
  batch_.sources.data_ptr<int64_t>()[cell] = source;
  batch_.bytes.data_ptr<int64_t>()[cell] = bytes;
  batch_.token_count += count;
  batch_.label_count += label_count;
  batch_.byte_count += bytes;
  return count;
}

void BatchWriter::write_documents(int64_t row, const std::vector<DocumentStart>& starts,
                                  int64_t offset, int64_t count) {
  int64_t* documents = batch_.documents.data_ptr<int64_t>() + row;
  int64_t* positions = batch_.positions.data_ptr<int64_t>() + row;
  auto next =
      std::upper_bound(starts.begin(), starts.end(), offset,
                       [](int64_t at, const DocumentStart& start) { return at < start.offset; });
  DocumentStart current = next == starts.begin() ? DocumentStart() : *(next - 1);
  for (int64_t i = 0; i < count; ++i) {
    if (next != starts.end() && next->offset == offset + i) current = *next++;
    documents[i] = current.id;
    positions[i] = offset + i - current.offset;
  }
}

void BatchWriter::set_weight(int64_t cell, float weight) {
  // Most batches have none: the tensor is made at the first one.
  if (!batch_.weights.defined()) batch_.weights = filled(batch_.tokens.sizes(), 1.0f);
  batch_.weights.data_ptr<float>()[cell] = weight;
}

Batch BatchWriter::finish() {
  if (batch_.token_count == batch_.valid.numel()) batch_.valid = Tensor();
  return std::move(batch_);
}

}  // namespace rmkv
