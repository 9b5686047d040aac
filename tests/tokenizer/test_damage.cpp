// Damaged tokenizer files and id files are refused by name or read, nothing else.
#include "tests/damage.h"
#include "tests/fuzz/scratch.h"
#include "tokenizer/bpe_trainer.h"
#include "tokenizer/id_format.h"
#include "tokenizer/json_lines.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/world_tokenizer.h"

using namespace rmkv;
using rmkv::test::try_damage;

namespace {

constexpr std::string_view kText = "the cat and the hat, 123; it's the rat's\n\nhat.  <end>";

void use(const Tokenizer& tokenizer) {
  try {
    tokenizer.decode(tokenizer.encode(kText));
  } catch (const Error&) {
    // A vocabulary without an unknown token may lack a character of the text.
  }
}

}  // namespace

TEST_CASE("damaged tokenizer.json files", "[damage]") {
  BpeTrainer trainer({.vocab_size = 270});
  trainer.add_document(kText);
  const std::string llama =
      R"({"normalizer": {"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": "▁"},
          {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}]},
          "pre_tokenizer": {"type": "Split", "pattern": {"Regex": "\\p{L}+| "},
                            "behavior": "Isolated", "invert": false},
          "decoder": {"type": "Sequence", "decoders": [{"type": "ByteFallback"}, {"type": "Fuse"}]},
          "added_tokens": [{"id": 5, "content": "<end>", "special": true, "lstrip": true}],
          "model": {"type": "BPE", "unk_token": "<unk>", "byte_fallback": true, "vocab":
            {"<unk>": 0, "t": 1, "h": 2, "th": 3, "<0x61>": 4, "<end>": 5}, "merges": ["t h"]}})";
  const std::string unigram =
      R"({"model": {"type": "Unigram", "unk_id": 0, "vocab": [["<unk>", 0.0], ["t", -1.5]]}})";
  for (const std::string& whole : {trainer.train()->to_json(), llama, unigram}) {
    const auto counts = try_damage(whole, "t.json", 1500, [](const std::string& s) {
      use(*parse_tokenizer_json(s, "t.json"));
    });
    CHECK(counts.refused > 800);
  }
}

TEST_CASE("damaged rank files, World vocabularies and pairs of vocab.json and merges.txt",
          "[damage]") {
  const auto ranks =
      try_damage("dA== 0\naA== 1\nZQ== 2\ndGg= 3\n", "t.tiktoken", 2000,
                 [](const std::string& s) { use(*parse_tiktoken(s, "t.tiktoken")); });
  CHECK(ranks.refused > 500);
  std::string world;
  for (int byte = 0; byte < 256; ++byte) {
    char line[32];
    std::snprintf(line, sizeof line, "%d b'\\x%02x' 1\n", byte + 1, static_cast<unsigned>(byte));
    world += line;
  }
  world += "257 'the' 3\n258 '\\u00e9' 2\n";
  const auto vocabulary =
      try_damage(world, "t.txt", 1000, [](const std::string& s) { use(*parse_world(s, "t.txt")); });
  CHECK(vocabulary.refused > 800);
  const fuzz::Scratch scratch;
  const std::string vocab = R"({"t": 0, "h": 1, "e": 2, "th": 3, "Ġ": 4})", merges = "t h\n";
  scratch.write("merges.txt", merges);
  try_damage(vocab, scratch.path(), 1500, [&](const std::string& s) {
    use(*load_gpt2(scratch.write("vocab.json", s), scratch.path("merges.txt")));
  });
  scratch.write("vocab.json", vocab);
  try_damage(merges, scratch.path(), 1000, [&](const std::string& s) {
    use(*load_gpt2(scratch.path("vocab.json"), scratch.write("merges.txt", s)));
  });
}

TEST_CASE("damaged files of token ids", "[damage]") {
  const std::vector<int32_t> ids = {0, 97, 255, 70000};
  for (const IdFormat format : {IdFormat::kText, IdFormat::kJson, IdFormat::kU32, IdFormat::kNpy}) {
    try_damage(write_ids(ids, format), "ids.bin", 2000,
               [&](const std::string& s) { read_ids(s, format, "ids.bin"); });
  }
}
