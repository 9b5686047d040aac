// Seeds of tokenizer files: small vocabularies of every kind, written by the tokenizers themselves,
// and settings that they do not write.
#include "tests/fuzz/input.h"
#include "tests/fuzz/seeds.h"
#include "tokenizer/bpe_trainer.h"
#include "tokenizer/id_format.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/world_tokenizer.h"

namespace rmkv::fuzz {

namespace {

constexpr std::string_view kText = "the cat and the hat, 123; it's the rat's\n\nhat.  <end>";

TokenizerPtr trained(SplitPattern pattern) {
  BpeTrainer trainer({.vocab_size = 280, .pattern = pattern});
  trainer.add_document(kText);
  return trainer.train();
}

void put_json() {
  put_seed("tokenizer_json", "bpe", trained(SplitPattern::kLlama3)->to_json());
  put_seed("tokenizer_json", "bytes", make_byte_tokenizer()->to_json());
  put_seed("tokenizer_json", "characters", make_character_tokenizer("abc")->to_json());
  const std::string tokens =
      R"("added_tokens": [{"id": 9, "content": "<s>", "special": true, "lstrip": true,
          "rstrip": false, "single_word": false, "normalized": true}])";
  const auto put = [&](const std::string& name, const std::string& steps,
                       const std::string& model) {
    put_seed(
        "tokenizer_json", name,
        "{" + tokens + ", " + steps + (steps.empty() ? "" : ", ") + "\"model\": " + model + "}");
  };
  const std::string bpe =
      R"({"type": "BPE", "unk_token": "<unk>", "byte_fallback": true, "fuse_unk": true, "dropout": 0.1,
          "ignore_merges": true, "vocab": {"<unk>": 0, "a": 1, "b": 2, "ab": 3, "<0x61>": 4, "▁": 5},
          "merges": ["a b", ["a", "b"]]})";
  put("llama",
      R"("normalizer": {"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": "▁"},
         {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}, {"type": "NFKC"}]},
         "decoder": {"type": "Sequence", "decoders": [{"type": "ByteFallback"}, {"type": "Fuse"},
         {"type": "Strip", "content": " ", "start": 1, "stop": 0}]})",
      bpe);
  put("splits",
      R"("pre_tokenizer": {"type": "Sequence", "pretokenizers": [
         {"type": "Split", "pattern": {"Regex": "\\p{L}+|(?i:x)y?"}, "behavior": "MergedWithNext",
          "invert": false}, {"type": "Digits", "individual_digits": true},
         {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "first", "split": true}]},
         "post_processor": {"type": "TemplateProcessing", "single": [
         {"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
         "pair": [], "special_tokens": {"<s>": {"id": "<s>", "ids": [9], "tokens": ["<s>"]}}})",
      bpe);
  put("unigram", R"("truncation": {"max_length": 8, "strategy": "LongestFirst", "stride": 0},
                    "padding": {"strategy": {"Fixed": 6}, "pad_id": 0, "pad_token": "<unk>"})",
      R"({"type": "Unigram", "unk_id": 0, "vocab": [["<unk>", 0.0], ["a", -1.5], ["ab", -2]]})");
  put("wordpiece",
      R"("pre_tokenizer": {"type": "BertPreTokenizer"}, "decoder": {"type": "WordPiece",
                      "prefix": "##", "cleanup": true}, "normalizer": {"type": "BertNormalizer"})",
      R"({"type": "WordPiece", "unk_token": "u", "continuing_subword_prefix": "##",
          "max_input_chars_per_word": 100, "vocab": {"u": 0, "a": 1, "##b": 2}})");
  put("words", "", R"({"type": "WordLevel", "unk_token": "u", "vocab": {"u": 0, "a": 1}})");
}

void put_files() {
  std::string ranks;
  for (const char* line : {"YQ== 0", "Yg== 1", "IA== 2", "YWI= 3"})
    ranks += std::string(line) + "\n";
  put_seed("tiktoken", "few", ranks);
  put_seed("world", "few",
           "257 'ab' 2\n258 \"\\u00e9\" 2\r\n259 b'\\xff\\'' 2\n260 '\\n\\t\\\\' 3\n");
  put_seed("gpt2_files", "few",
           joined({R"({"a": 0, "b": 1, "Ġ": 2, "ab": 3, "Ġab": 4, "<|endoftext|>": 5})",
                   "#version: 0.2\na b\nĠ ab\n"}));
  put_seed("tokenizer_texts", "text", std::string(kText));
  const std::vector<int32_t> ids = {0, 97, 255, 261};
  for (const IdFormat format :
       {IdFormat::kText, IdFormat::kJson, IdFormat::kU16, IdFormat::kU32, IdFormat::kNpy}) {
    put_seed("token_ids", std::to_string(static_cast<int>(format)), write_ids(ids, format));
  }
  put_seed("token_ids", "lines", "\"a\\u00e9\"\n\n[1, 2]\n");
}

}  // namespace

void put_tokenizer_seeds() {
  put_json();
  put_files();
}

}  // namespace rmkv::fuzz
