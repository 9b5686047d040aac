// libFuzzer target: any text through tokenizers of all shapes; where nothing is normalised the ids
// must stand for the text, and words cut early must have the ids of words cut late.
//

#include <cstddef>
#include <cstdint>

#include "core/base/error.h"
#include "tokenizer/bpe_trainer.h"
#include "tokenizer/stream_decoder.h"
#include "tokenizer/tokenizer.h"

namespace {

using rmkv::TokenizerPtr;

// A Llama-2 shaped file around a few merges.
std::string text_file(std::string_view normalizer, std::string_view pre_tokenizer) {
  std::string vocab =
      R"("<unk>": 0, "▁": 1, "a": 2, "b": 3, "▁a": 4, "ab": 5, "▁ab": 6, "aa": 7, "é": 8)";
  for (int byte = 0; byte < 256; ++byte) {
    char entry[32];
    std::snprintf(entry, sizeof(entry), ", \"<0x%02X>\": %d", static_cast<unsigned>(byte),
                  9 + byte);
    vocab += entry;
  }
  return R"({"normalizer": )" + std::string(normalizer) + R"(, "pre_tokenizer": )" +
         std::string(pre_tokenizer) +
         R"(, "decoder": {"type": "Sequence", "decoders": [{"type": "Replace", "pattern": {"String": "▁"}, "content": " "},
             {"type": "ByteFallback"}, {"type": "Fuse"}, {"type": "Strip", "content": " ", "start": 1, "stop": 1}]},
             "added_tokens": [{"content": "<s>", "special": true, "lstrip": true}, {"content": "ab!", "normalized": true, "single_word": true}],
             "model": {"type": "BPE", "unk_token": "<unk>", "fuse_unk": true, "byte_fallback": true, "vocab": {)" +
         vocab + R"(}, "merges": ["a b", "▁ a", "▁ ab", "a a"]}})";
}

std::vector<TokenizerPtr> make_tokenizers() {
  std::vector<TokenizerPtr> tokenizers;
  for (const auto pattern : {rmkv::SplitPattern::kGpt2, rmkv::SplitPattern::kLlama3,
                             rmkv::SplitPattern::kQwen2, rmkv::SplitPattern::kO200k}) {
    rmkv::BpeTrainer trainer({.vocab_size = 320, .pattern = pattern});
    trainer.add_document("the cat and the hat, 123 and 456; it's the rat's\n\nhat. The END  <end>");
    tokenizers.push_back(trainer.train());
  }
  for (const char* form :
       {"NFC", "NFD", "NFKC", "NFKD", "Lowercase", "StripAccents", "BertNormalizer"}) {
    tokenizers.push_back(rmkv::parse_tokenizer_json(
        text_file(R"({"type": ")" + std::string(form) + R"("})", "null"), "TEXT"));
  }
  for (
      const char* step :
      {R"({"type": "Metaspace", "replacement": "▁", "prepend_scheme": "first"})",
       R"({"type": "Whitespace"})", R"({"type": "BertPreTokenizer"})",
       R"({"type": "Split", "pattern": {"Regex": "\\s+|a?"}, "behavior": "MergedWithNext", "invert": false})",
       R"({"type": "Split", "pattern": {"Regex": "\\w"}, "behavior": "Contiguous", "invert": true})"}) {
    tokenizers.push_back(rmkv::parse_tokenizer_json(text_file("null", step), "TEXT"));
  }
  return tokenizers;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const std::vector<TokenizerPtr> tokenizers = make_tokenizers();
  const std::string text(reinterpret_cast<const char*>(data), size);
  for (size_t i = 0; i < tokenizers.size(); ++i) {
    const auto ids = tokenizers[i]->encode(text, size % 2 == 0);
    const std::string decoded = tokenizers[i]->decode(ids);
    if (i < 4 && decoded != text) __builtin_trap();
    rmkv::StreamDecoder stream(tokenizers[i]);
    std::string streamed;
    for (const int32_t id : ids) streamed += stream.push(id);
    streamed += stream.flush();
    if (streamed != decoded) __builtin_trap();
    std::vector<int32_t> dropped;
    tokenizers[i]->encode_to(text, {.dropout = 0.3, .seed = size}, dropped);
  }
  return 0;
}
