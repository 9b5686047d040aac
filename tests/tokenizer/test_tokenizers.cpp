// The tokenizers as their users see them: ids, round trips, files, streaming, threads.
#include <thread>

#include "core/base/file.h"
#include "tests/catch.h"
#include "tests/shared_data.h"
#include "tests/temporary_folder.h"
#include "tests/tokenizer/random_text.h"
#include "tokenizer/bpe_trainer.h"
#include "tokenizer/character_tokenizer.h"
#include "tokenizer/stream_decoder.h"
#include "tokenizer/tokenizer.h"

using namespace rmkv;

namespace {

TokenizerPtr small_bpe(SplitPattern pattern = SplitPattern::kLlama3) {
  BpeTrainer trainer({.vocab_size = 400, .pattern = pattern});
  for (int i = 0; i < 3; ++i) {
    trainer.add_document(
        "the hello world don't I'd there and then... 12345 hello hello\n\n  the \u00E9\u00E9");
  }
  return trainer.train();
}

std::string gpt2_file(const std::string& name) {
  return shared_data("tokenizer/gpt2/" + name);
}

}  // namespace

TEST_CASE("GPT-2's vocabulary gives the ids of Hugging Face") {
  if (gpt2_file("cases.inp").empty()) {
    WARN("SKIPPED: tokenizer/gpt2 is not there");
    return;
  }
  const TokenizerPtr gpt2 = load_gpt2(gpt2_file("gpt2_vocab.json"), gpt2_file("gpt2_merges.txt"));
  const TokenizerPtr reread = parse_tokenizer_json(gpt2->to_json(), "gpt2");
  CHECK(gpt2->vocab_size() == 50257);
  CHECK(gpt2->special("<|endoftext|>") == 50256);
  CHECK(reread->fingerprint() == gpt2->fingerprint());
  // Texts separated by a line; one line of ids for each.
  const std::string texts = read_file(gpt2_file("cases.inp"));
  const std::string lines = read_file(gpt2_file("cases.out"));
  const std::string separator = "\n__ggml_vocab_test__\n";
  size_t at = 0, line_at = 0;
  int cases = 0;
  while (line_at < lines.size()) {
    const size_t end = std::min(texts.find(separator, at), texts.size());
    const std::string text = texts.substr(at, end - at);
    at = std::min(end + separator.size(), texts.size());
    const size_t line_end = lines.find('\n', line_at);
    std::string expected = lines.substr(line_at, line_end - line_at);
    line_at = line_end + 1;
    std::string found;
    for (const int32_t id : gpt2->encode(text)) found += " " + std::to_string(id);
    CHECK(found == expected);
    CHECK(reread->encode(text) == gpt2->encode(text));
    CHECK(gpt2->decode(gpt2->encode(text)) == text);
    ++cases;
  }
  CHECK(cases == 46);
}

TEST_CASE("every byte string survives encode and decode") {
  const uint64_t seed = 99;
  INFO("seed " << seed);
  RandomStream random(seed, "round trip");
  for (const TokenizerPtr& tokenizer : {small_bpe(), small_bpe(SplitPattern::kGpt2),
                                        small_bpe(SplitPattern::kQwen2), make_byte_tokenizer()}) {
    for (int i = 0; i < 3000; ++i) {
      const std::string text = random_text(random, false);
      for (const bool parse_special : {true, false}) {
        const std::vector<int32_t> ids = tokenizer->encode(text, parse_special);
        if (tokenizer->decode(ids) != text) FAIL(tokenizer->kind() << " loses '" << text << "'");
      }
    }
  }
}

TEST_CASE("special tokens are parsed on request and skipped on request") {
  for (const TokenizerPtr& tokenizer :
       {small_bpe(), make_byte_tokenizer(), make_ascii_tokenizer()}) {
    const int32_t end = tokenizer->special("<end>");
    CHECK(tokenizer->encode("<end>") == std::vector<int32_t>{end});
    const std::vector<int32_t> plain = tokenizer->encode("<end>", false);
    CHECK(plain.size() >= 3);
    CHECK(std::count(plain.begin(), plain.end(), end) == 0);
    CHECK(tokenizer->decode(plain, true) == "<end>");
    CHECK(tokenizer->decode(tokenizer->encode("a<end>b"), true) == "ab");
    CHECK(tokenizer->decode(tokenizer->encode("a<end>b")) == "a<end>b");
    CHECK(tokenizer->token_id("<end>") == end);
    CHECK_FALSE(tokenizer->is_special(-1));
    CHECK_FALSE(tokenizer->is_special(tokenizer->vocab_size()));
    CHECK_THROWS_WITH(tokenizer->special("<ned>"), Catch::Contains("<end>"));
    CHECK_THROWS_WITH(tokenizer->token_bytes(tokenizer->vocab_size()),
                      Catch::Contains("expected an id from 0 to"));
    CHECK_THROWS_WITH(tokenizer->decode(std::vector<int32_t>{-1}), Catch::Contains("got id -1"));
  }
}

TEST_CASE("bytes are their own ids") {
  const TokenizerPtr bytes = make_byte_tokenizer();
  CHECK(bytes->kind() == "bytes");
  CHECK(bytes->vocab_size() == 262);
  CHECK(bytes->encode("a\xFF\n") == std::vector<int32_t>{97, 255, 10});
  CHECK(bytes->special("<think>") == 256);
  const TokenizerPtr reread = parse_tokenizer_json(bytes->to_json(), "bytes");
  CHECK(reread->kind() == "bytes");
  CHECK(reread->fingerprint() == bytes->fingerprint());
}

TEST_CASE("bytes without special tokens are 256 ids, also when read back") {
  const TokenizerPtr bytes = make_plain_byte_tokenizer();
  CHECK(bytes->vocab_size() == 256);
  CHECK(bytes->encode("a<end>\xff").size() == 7);
  CHECK(bytes->decode(bytes->encode("a<end>\xff")) == "a<end>\xff");
  CHECK_FALSE(bytes->is_special(0));
  const TokenizerPtr again = parse_tokenizer_json(bytes->to_json(), "bytes.json");
  CHECK(again->fingerprint() == bytes->fingerprint());
}

TEST_CASE("characters outside the set are unknown") {
  const TokenizerPtr ascii = make_ascii_tokenizer();
  CHECK(ascii->kind() == "characters");
  CHECK(ascii->vocab_size() == 102);
  const int32_t unknown = ascii->special("<unk>");
  CHECK(ascii->token_id("\n") == 6);
  CHECK(ascii->token_id("~") == 101);
  CHECK(ascii->encode("A\n") == std::vector<int32_t>{7 + 'A' - ' ', 6});
  CHECK(ascii->encode("\t\u00E9\xFF") == std::vector<int32_t>{unknown, unknown, unknown});
  std::string printable = "\n";
  for (char c = ' '; c <= '~'; ++c) printable += c;
  CHECK(ascii->decode(ascii->encode(printable)) == printable);

  const TokenizerPtr greek = make_character_tokenizer("\u03B2\u03B1\xFF\u03B2 ");
  CHECK(greek->vocab_size() == 6 + 3);
  CHECK(greek->encode("\u03B1\u03B2 \u03B3") == std::vector<int32_t>{7, 8, 6, 5});
  for (const TokenizerPtr& tokenizer : {ascii, greek}) {
    const TokenizerPtr reread = parse_tokenizer_json(tokenizer->to_json(), "characters");
    CHECK(reread->kind() == "characters");
    CHECK(reread->fingerprint() == tokenizer->fingerprint());
    CHECK(reread->encode("\u03B1 x<end>") == tokenizer->encode("\u03B1 x<end>"));
  }
}

TEST_CASE("a tokenizer file comes back as it went") {
  const TemporaryFolder folder;
  const TokenizerPtr tokenizer = small_bpe();
  write_file_atomic(folder / "tokenizer.json", tokenizer->to_json());
  const TokenizerPtr reread = load_tokenizer(folder / "tokenizer.json");
  CHECK(reread->to_json() == tokenizer->to_json());
  CHECK(reread->fingerprint() == tokenizer->fingerprint());
  CHECK(reread->fingerprint() != small_bpe(SplitPattern::kQwen2)->fingerprint());
  CHECK(reread->encode("hello there<end> 123456") == tokenizer->encode("hello there<end> 123456"));
  CHECK_THROWS_WITH(load_tokenizer(folder / "missing.json"), Catch::Contains("missing.json"));
}

TEST_CASE("one tokenizer serves many threads") {
  const TokenizerPtr tokenizer = small_bpe();
  RandomStream random(5, "threads");
  std::vector<std::string> texts;
  std::vector<std::vector<int32_t>> expected;
  for (int i = 0; i < 200; ++i) {
    texts.push_back(random_text(random, false));
    expected.push_back(small_bpe()->encode(texts.back()));
  }
  std::vector<int> wrong(4, 0);
  {
    std::vector<std::jthread> threads;
    for (int& count : wrong) {
      threads.emplace_back([&] {
        for (int round = 0; round < 20; ++round) {
          for (size_t i = 0; i < texts.size(); ++i)
            count += tokenizer->encode(texts[i]) != expected[i];
        }
      });
    }
  }
  CHECK(wrong == std::vector<int>(4, 0));
}

TEST_CASE("long words and long texts") {
  const TokenizerPtr tokenizer = small_bpe();
  const std::string letters(300'000, 'h');
  CHECK(tokenizer->decode(tokenizer->encode(letters)) == letters);
  std::string text;
  while (text.size() < 100'000) text += "hello  there world 12345\n";
  std::vector<int32_t> by_line;
  for (size_t at = 0; at < text.size(); at += 25) {
    tokenizer->encode_to(text.substr(at, 25), {}, by_line);
  }
  CHECK(tokenizer->encode(text) == by_line);
}

TEST_CASE("a stream shows whole characters only") {
  const TokenizerPtr bytes = make_byte_tokenizer();
  const std::string text = "a\u00E9\u20AC\U0001F600\xE2\x82z\xF0\x9F<end>";
  StreamDecoder stream(bytes);
  std::string shown;
  std::vector<std::string> pieces;
  for (const int32_t id : bytes->encode(text)) {
    const std::string piece = stream.push(id);
    if (!piece.empty()) pieces.push_back(piece);
    shown += piece;
  }
  CHECK(shown + stream.flush() == text);
  CHECK(pieces == std::vector<std::string>{"a", "\u00E9", "\u20AC", "\U0001F600", "\xE2\x82z",
                                           "\xF0\x9F<end>"});
  StreamDecoder quiet(bytes, true);
  CHECK(quiet.push(0xE2) == "");
  CHECK(quiet.push(bytes->special("<end>")) == "");
  CHECK(quiet.push(0x82) == "");
  CHECK(quiet.flush() == "\xE2\x82");
  CHECK(quiet.flush() == "");
}

TEST_CASE("several threads find the ids and the merges of one") {
  const uint64_t seed = 41;
  INFO("seed " << seed);
  RandomStream random(seed, "threads");
  std::string text;
  while (text.size() < 1300000) {
    text += random_text(random, false);
    text +=
        pick(random, {"\n\nWord again", " a word", "\n", "  \n\n  x", " ", ".\n\nNext", "7 8\n"});
  }
  for (const char* pattern : {"gpt2", "llama3", "qwen2", "o200k"}) {
    INFO(pattern);
    BpeTrainerOptions options{.vocab_size = 600, .pattern = parse_split_pattern(pattern)};
    BpeTrainer alone(options);
    options.threads = 3;
    BpeTrainer together(options);
    alone.add_document(text);
    together.add_document(text);
    const TokenizerPtr tokenizer = alone.train();
    CHECK((together.train()->to_json() == tokenizer->to_json()));
    std::vector<int32_t> one, three;
    tokenizer->encode_to(text, {}, one);
    tokenizer->encode_to(text, {.threads = 3}, three);
    CHECK((one == three));
  }
}
