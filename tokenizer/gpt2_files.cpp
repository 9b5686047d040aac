// GPT-2's own pair of files, as published with the model: vocab.json (spelling -> id) and
// merges.txt (a line "left right" per merge, after a line "#version").
#include "core/base/file.h"
#include "tokenizer/bpe_model.h"
#include "tokenizer/pipeline_tokenizer.h"
#include "tokenizer/vocab_reader.h"

namespace rmkv {
namespace {

// The files do not say which tokens are special; GPT-2 has this one.
constexpr std::string_view kEndOfText = "<|endoftext|>";
constexpr uint64_t kMaxFileBytes = uint64_t{1} << 30;

}  // namespace

TokenizerPtr load_gpt2(const std::string& vocab_path, const std::string& merges_path) {
  const std::string vocab = read_file(vocab_path, kMaxFileBytes);
  const std::string merges = read_file(merges_path, kMaxFileBytes);
  const JsonText json(vocab, vocab_path);
  BpeSpec spec;
  PipelineSpec pipeline = PipelineSpec::byte_level("");
  const TextIds id_of = read_vocab(json.root(), spec.entries);
  read_merge_lines(merges, merges_path, id_of, spec);
  if (const int32_t id = id_of.find(kEndOfText); id >= 0) {
    pipeline.added_tokens.push_back({.id = id, .content = std::string(kEndOfText)});
  }
  return std::make_shared<PipelineTokenizer>(
      std::move(pipeline),
      [&](bool) { return std::make_unique<BpeModel>(std::move(spec), vocab_path); }, vocab_path);
}

}  // namespace rmkv
