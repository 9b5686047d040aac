// The parts of tokenizer.json around and beside byte-level BPE.  Expected ids and texts are those
// of Hugging Face tokenizers 0.23.3 on the same files.
#include "core/base/error.h"
#include "tests/catch.h"
#include "tests/tokenizer/random_text.h"
#include "tokenizer/bpe_trainer.h"
#include "tokenizer/json_lines.h"
#include "tokenizer/stream_decoder.h"
#include "tokenizer/tokenizer.h"

using namespace rmkv;

namespace {

using Ids = std::vector<int32_t>;

// Llama-2's shape: the mark for blanks is U+2581, bytes stand for unknown characters.
struct TextFile {
  std::string normalizer =
      R"({"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": "▁"},
      {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}]})";
  std::string pre_tokenizer = "null";
  std::string post_processor = "null";
  std::string decoder = R"({"type": "Sequence", "decoders": [
      {"type": "Replace", "pattern": {"String": "▁"}, "content": " "}, {"type": "ByteFallback"},
      {"type": "Fuse"}, {"type": "Strip", "content": " ", "start": 1, "stop": 0}]})";
  std::string added = R"([{"content": "<s>", "special": true, "normalized": false}])";
  std::string options = R"("unk_token": "<unk>", "fuse_unk": true, "byte_fallback": true, )";
  std::string limits = R"("truncation": null, "padding": null, )";

  // 0 <unk>, 1 <s>, 2 ▁, 3 a, 4 b, 5 ▁a, 6 ab, 7 ▁ab, 8 é, 9... the bytes.
  std::string text() const {
    std::string vocab =
        R"("<unk>": 0, "<s>": 1, "▁": 2, "a": 3, "b": 4, "▁a": 5, "ab": 6, "▁ab": 7, "é": 8)";
    for (int byte = 0; byte < 256; ++byte) {
      char entry[32];
      std::snprintf(entry, sizeof(entry), ", \"<0x%02X>\": %d", static_cast<unsigned>(byte),
                    9 + byte);
      vocab += entry;
    }
    return R"({"version": "1.0", )" + limits + R"("added_tokens": )" + added +
           R"(, "normalizer": )" + normalizer + R"(, "pre_tokenizer": )" + pre_tokenizer +
           R"(, "post_processor": )" + post_processor + R"(, "decoder": )" + decoder +
           R"(, "model": {"type": "BPE", )" + options + R"("vocab": {)" + vocab +
           R"(}, "merges": [["▁", "a"], ["a", "b"], ["▁a", "b"], ["▁", "ab"]]}})";
  }
  TokenizerPtr parse() const { return parse_tokenizer_json(text(), "FILE"); }
};

Ids encode(const TokenizerPtr& tokenizer, std::string_view text, const EncodeOptions& options) {
  Ids ids;
  tokenizer->encode_to(text, options, ids);
  return ids;
}

}  // namespace

TEST_CASE("byte fallback: a text is one word, unknown characters are bytes") {
  const TokenizerPtr tokenizer = TextFile().parse();
  CHECK(tokenizer->encode("ab a") == Ids{7, 5});
  CHECK(tokenizer->encode("  ab") == Ids{2, 2, 7});
  CHECK(tokenizer->encode("a\xE4\xB8\xADx") == Ids{5, 9 + 0xE4, 9 + 0xB8, 9 + 0xAD, 9 + 'x'});
  CHECK(tokenizer->encode("\xC3\xA9") == Ids{2, 8});
  // Prepend acts on every piece between added tokens.
  CHECK(tokenizer->encode("ab<s>ab") == Ids{7, 1, 7});
  CHECK(tokenizer->encode("ab<s>ab", false).size() == 5);
  CHECK(tokenizer->encode("") == Ids{});
  CHECK(tokenizer->decode(Ids{7, 5}) == "ab a");
  CHECK(tokenizer->decode(Ids{1, 7, 5}) == "<s> ab a");
  CHECK(tokenizer->decode(Ids{1, 7, 5}, true) == "ab a");
  CHECK(tokenizer->decode(Ids{3, 9 + 0xE4, 9 + 0xB8, 9 + 0xAD}) == "a\xE4\xB8\xAD");
  CHECK(tokenizer->decode(Ids{9 + 0xFF}) == "\xFF");
  CHECK(tokenizer->token_bytes(7) == " ab");
  CHECK(parse_tokenizer_json(tokenizer->to_json(), "again")->fingerprint() ==
        tokenizer->fingerprint());
}

TEST_CASE("unknown characters without bytes for them are one token a run") {
  TextFile file;
  file.options = R"("unk_token": "<unk>", "fuse_unk": true, )";
  CHECK(file.parse()->encode("axyb") == Ids{5, 0, 4});
  CHECK(file.parse()->encode("x y") == Ids{2, 0, 2, 0});
  file.options = R"("unk_token": "<unk>", )";
  CHECK(file.parse()->encode("axyb") == Ids{5, 0, 0, 4});
  file.options = "";
  CHECK(file.parse()->encode("axyb") == Ids{5, 4});
}

TEST_CASE("Metaspace marks blanks and may put one in front") {
  TextFile file{.normalizer = "null"};
  const auto ids = [&](const std::string& scheme, bool split, std::string_view text) {
    file.pre_tokenizer = R"({"type": "Metaspace", "replacement": "▁", "prepend_scheme": ")" +
                         scheme + R"(", "split": )" + (split ? "true}" : "false}");
    return file.parse()->encode(text);
  };
  for (const bool split : {true, false}) {
    CHECK(ids("always", split, "ab ab<s>ab") == Ids{7, 7, 1, 7});
    CHECK(ids("first", split, "ab ab<s>ab") == Ids{7, 7, 1, 6});
    CHECK(ids("never", split, "ab ab<s>ab") == Ids{6, 7, 1, 6});
    CHECK(ids("always", split, " ab") == Ids{7});
  }
  file.decoder = R"({"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always"})";
  const TokenizerPtr tokenizer = file.parse();
  CHECK(tokenizer->decode(Ids{7, 7}) == "ab ab");
  CHECK(tokenizer->first_token_bytes(7) == "ab");
  CHECK(tokenizer->token_bytes(7) == " ab");
}

TEST_CASE("templates, truncation and padding act only when asked for") {
  TextFile file;
  file.post_processor = R"({"type": "TemplateProcessing",
      "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}},
                 {"SpecialToken": {"id": "</s>", "type_id": 0}}],
      "pair": [], "special_tokens": {"<s>": {"id": "<s>", "ids": [1], "tokens": ["<s>"]},
                                     "</s>": {"id": "</s>", "ids": [0], "tokens": ["</s>"]}}})";
  file.limits = R"("truncation": {"direction": "Right", "max_length": 4, "strategy": "LongestFirst",
      "stride": 0}, "padding": {"strategy": {"Fixed": 6}, "direction": "Left", "pad_to_multiple_of": 4,
      "pad_id": 9, "pad_type_id": 0, "pad_token": "x"}, )";
  const TokenizerPtr tokenizer = file.parse();
  CHECK(tokenizer->encode("ab a") == Ids{7, 5});
  CHECK(encode(tokenizer, "ab a", {.add_template = true}) == Ids{1, 7, 5, 0});
  CHECK(encode(tokenizer, "ab a a a", {.add_template = true, .fit = true}) ==
        Ids{9, 9, 9, 9, 1, 7, 5, 0});
  CHECK(encode(tokenizer, "ab a a a a", {.fit = true}) == Ids{9, 9, 9, 9, 7, 5, 5, 5});
  Ids ids{42};
  tokenizer->encode_to("ab", {.add_template = true}, ids);
  CHECK(ids == Ids{42, 1, 7, 0});
}

TEST_CASE("normalizers change the text that is encoded") {
  TextFile file{.decoder = R"({"type": "Fuse"})"};
  const auto bytes = [&](const std::string& normalizer, std::string_view text) {
    file.normalizer = normalizer;
    const TokenizerPtr tokenizer = file.parse();
    std::string out;
    for (const int32_t id : tokenizer->encode(text)) {
      if (id >= 9) {
        out += static_cast<char>(id - 9);
      } else {
        out += tokenizer->token_bytes(id);
      }
    }
    return out;
  };
  const auto named = [](const char* type) { return R"({"type": ")" + std::string(type) + R"("})"; };
  // U+1E9B U+0323: the example of Unicode Standard Annex 15.
  CHECK(bytes(named("NFC"), "\u1E9B\u0323") == "\u1E9B\u0323");
  CHECK(bytes(named("NFD"), "\u1E9B\u0323") == "\u017F\u0323\u0307");
  CHECK(bytes(named("NFKC"), "\u1E9B\u0323") == "\u1E69");
  CHECK(bytes(named("NFKD"), "\u1E9B\u0323") == "s\u0323\u0307");
  CHECK(bytes(named("NFC"), "e\u0301 \u1112\u1161\u11AB \u212B") == "\u00E9 \uD55C \u00C5");
  CHECK(bytes(named("NFD"), "\uD55C") == "\u1112\u1161\u11AB");
  CHECK(bytes(named("NFC"), "a\u0301\xFF\u0301") == "\u00E1\xFF\u0301");
  // U+1E030 has a decomposition since Unicode 15; the library's tables are those of 9.0.
  CHECK(bytes(named("NFKC"), "\U0001E030") == "\U0001E030");
  CHECK(bytes(named("Lowercase"), "\u00C9\u0130\u03A3X") == "\u00E9i\u0307\u03C3x");
  CHECK(bytes(named("StripAccents"), "e\u0301\u00E9") == "e\u00E9");
  CHECK(bytes(R"({"type": "Strip", "strip_left": true, "strip_right": false})", "\u00A0 x ") ==
        "x ");
  CHECK(bytes(R"({"type": "Strip", "strip_left": true, "strip_right": true})", " \n ") == "");
  CHECK(bytes(R"({"type": "Replace", "pattern": {"Regex": "\\s+"}, "content": "_"})", "x \n\ty ") ==
        "x_y_");
  CHECK(bytes(R"({"type": "BertNormalizer"})", "\u00C9T\u00C9\x01\t\u4E2D") == "ete  \u4E2D ");
}

TEST_CASE("pre-tokenizers cut where Hugging Face cuts") {
  TextFile file{.normalizer = "null", .decoder = R"({"type": "Fuse"})"};
  file.options = R"("unk_token": "<unk>", "fuse_unk": true, )";
  // Every word is one run of unknown characters: their number is the number of words.
  const auto words = [&](const std::string& step, std::string_view text) {
    file.pre_tokenizer = step;
    return file.parse()->encode(text).size();
  };
  CHECK(words(R"({"type": "Whitespace"})", "x-y  z.") == 5);
  CHECK(words(R"({"type": "WhitespaceSplit"})", " x-y  z.") == 2);
  CHECK(words(R"({"type": "BertPreTokenizer"})", " x-y  z.") == 5);
  CHECK(words(R"({"type": "Punctuation", "behavior": "Contiguous"})", "x--y.") == 4);
  CHECK(words(R"({"type": "Digits", "individual_digits": true})", "x12\u00BDy") == 5);
  CHECK(words(R"({"type": "Digits", "individual_digits": false})", "x12\u00BDy") == 3);
  CHECK(words(R"({"type": "CharDelimiterSplit", "delimiter": "-"})", "x-y-") == 2);
  CHECK(words(R"({"type": "FixedLength", "length": 2})", "xyzxy") == 3);
  const auto split = [](const char* behavior, bool invert) {
    return R"({"type": "Split", "pattern": {"Regex": "-"}, "behavior": ")" + std::string(behavior) +
           R"(", "invert": )" + (invert ? "true}" : "false}");
  };
  CHECK(words(split("Removed", false), "x-y--z") == 3);
  CHECK(words(split("Removed", true), "x-y--z") == 3);
  CHECK(words(split("Isolated", false), "x-y--z") == 6);
  CHECK(words(split("MergedWithPrevious", false), "x-y--z") == 4);
  CHECK(words(split("MergedWithNext", false), "x-y--z") == 4);
  CHECK(words(split("Contiguous", false), "x-y--z") == 5);
}

TEST_CASE("Unigram takes the most probable path") {
  const TokenizerPtr tokenizer = parse_tokenizer_json(
      R"({"pre_tokenizer": {"type": "WhitespaceSplit"}, "decoder": {"type": "Fuse"},
          "model": {"type": "Unigram", "unk_id": 0, "vocab": [["<unk>", 0], ["a", -1.0], ["b", -1.5],
          ["ab", -2.0], ["abc", -9.0], ["c", -3.0], ["bc", -2.5]]}})",
      "FILE");
  CHECK(tokenizer->kind() == "unigram");
  CHECK(tokenizer->encode("ab") == Ids{3});
  CHECK(tokenizer->encode("abc") == Ids{1, 6});
  CHECK(tokenizer->encode("axyb abc") == Ids{1, 0, 2, 1, 6});
  CHECK(parse_tokenizer_json(tokenizer->to_json(), "again")->fingerprint() ==
        tokenizer->fingerprint());
}

TEST_CASE("WordPiece takes the longest beginning, or the whole word is unknown") {
  const TokenizerPtr tokenizer = parse_tokenizer_json(
      R"({"pre_tokenizer": {"type": "WhitespaceSplit"}, "decoder": {"type": "WordPiece", "prefix": "##",
          "cleanup": true}, "model": {"type": "WordPiece", "unk_token": "[UNK]",
          "continuing_subword_prefix": "##", "max_input_chars_per_word": 9,
          "vocab": {"[UNK]": 0, "un": 1, "##aff": 2, "##able": 3, "u": 4, ".": 5}}})",
      "FILE");
  CHECK(tokenizer->encode("unaff unable") == Ids{1, 2, 1, 3});
  CHECK(tokenizer->encode("unx un unaffable") == Ids{0, 1, 1, 2, 3});
  CHECK(tokenizer->encode("unaffablex") == Ids{0});
  CHECK(tokenizer->decode(Ids{1, 2, 1, 3, 5}) == "unaff unable.");
}

TEST_CASE("tiktoken rank files merge by rank and take whole words first") {
  // Single bytes in order, then ab, bc, abc.
  constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string file;
  for (unsigned byte = 0; byte < 256; ++byte) {
    file += std::string{kDigits[byte >> 2], kDigits[(byte & 3) << 4]} +
            "== " + std::to_string(byte) + "\n";
  }
  file += "YWI= 256\nYmM= 257\nYWJj 258\n";
  const TokenizerPtr tokenizer = parse_tiktoken(file, "FILE");
  CHECK(tokenizer->encode("ab bc abc abcb") == Ids{256, ' ', 257, ' ', 258, ' ', 258, 'b'});
  CHECK(tokenizer->decode(tokenizer->encode("\xFF\x00 x")) == "\xFF\x00 x");
  CHECK(parse_tokenizer_json(tokenizer->to_json(), "again")->fingerprint() ==
        tokenizer->fingerprint());
  CHECK_THROWS_WITH(parse_tiktoken("YWI= 0\nYW 1\n", "FILE"), Catch::Contains("FILE:2"));
  CHECK_THROWS_WITH(parse_tiktoken("YWI= 0\nYWJj 0\n", "FILE"), Catch::Contains("rank 0 again"));
  CHECK_THROWS_WITH(parse_tiktoken("YWI= 0\nYWI= 1\n", "FILE"), Catch::Contains("'ab' again"));
}

TEST_CASE("a stream of tokens shows what decoding shows") {
  const uint64_t seed = 5;
  INFO("seed " << seed);
  RandomStream random(seed, "stream");
  TextFile file;
  file.decoder = R"({"type": "Sequence", "decoders": [
      {"type": "Replace", "pattern": {"String": "▁"}, "content": " "}, {"type": "ByteFallback"},
      {"type": "Fuse"}, {"type": "Strip", "content": " ", "start": 2, "stop": 2}]})";
  TextFile metaspace;
  metaspace.decoder = R"({"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always"})";
  for (const TokenizerPtr& tokenizer : {file.parse(), metaspace.parse()}) {
    for (int round = 0; round < 2000; ++round) {
      Ids ids;
      for (uint64_t i = random.below(8); i > 0; --i) {
        ids.push_back(static_cast<int32_t>(random.below(random.below(3) == 0 ? 265 : 9)));
      }
      for (const bool skip : {false, true}) {
        StreamDecoder stream(tokenizer, skip);
        std::string text;
        for (const int32_t id : ids) text += stream.push(id);
        text += stream.flush();
        if (text != tokenizer->decode(ids, skip)) {
          FAIL("'" << text << "' but '" << tokenizer->decode(ids, skip) << "'");
        }
      }
    }
  }
}

TEST_CASE("dropout: a function of the seed, no merges at 1, the usual ones at 0") {
  BpeTrainer trainer({.vocab_size = 300, .special_tokens = {}});
  trainer.add_document("the cat and the hat and the bat; the rat that sat on the mat there");
  const TokenizerPtr tokenizer = trainer.train();
  const std::string text = "the cat sat there on the mat";
  CHECK(encode(tokenizer, text, {.dropout = 0}) == tokenizer->encode(text));
  CHECK(encode(tokenizer, text, {.dropout = 1}).size() == text.size());
  const Ids once = encode(tokenizer, text, {.dropout = 0.5, .seed = 1});
  CHECK(once == encode(tokenizer, text, {.dropout = 0.5, .seed = 1}));
  CHECK(once != encode(tokenizer, text, {.dropout = 0.5, .seed = 2}));
  CHECK(once != tokenizer->encode(text));
  CHECK(tokenizer->decode(once) == text);
  // Dropout leaves nothing behind in the cache.
  CHECK(encode(tokenizer, text, {.dropout = 0}) == tokenizer->encode(text));
}

TEST_CASE("hybrid vocabularies: characters, bytes for rare ones, merges of characters") {
  BpeTrainerOptions options{.vocab_size = 300, .special_tokens = {"<end>"}};
  options.alphabet = BpeAlphabet::kCharacters;
  options.max_characters = 12;
  BpeTrainer trainer(options);
  for (int i = 0; i < 50; ++i) trainer.add_document("aber h\u00E4tte h\u00E4tte Fahrradkette");
  const TokenizerPtr tokenizer = trainer.train();
  CHECK(tokenizer->kind() == "bpe");
  CHECK(tokenizer->token_id("\u00E4").has_value());
  CHECK(tokenizer->encode(" h\u00E4tte").size() == 1);
  // Not in the alphabet: three bytes.
  CHECK(tokenizer->encode("\u4E2D").size() == 3);
  const uint64_t seed = 6;
  INFO("seed " << seed);
  RandomStream random(seed, "hybrid");
  const TokenizerPtr again = parse_tokenizer_json(tokenizer->to_json(), "again");
  for (int i = 0; i < 300; ++i) {
    const std::string text = random_text(random, i % 2 == 0);
    const Ids ids = tokenizer->encode(text, false);
    REQUIRE(tokenizer->decode(ids) == text);
    REQUIRE(again->encode(text, false) == ids);
  }
}

TEST_CASE("shares: a small source gets its part of the vocabulary") {
  const auto train = [](std::vector<double> shares) {
    BpeTrainerOptions options{.vocab_size = 256 + 6, .special_tokens = {}};
    const bool shared = !shares.empty();
    options.shares = std::move(shares);
    BpeTrainer trainer(options);
    std::string large;
    for (int i = 0; i < 400; ++i) large += "abcdefgh ";
    trainer.add_document(large);
    trainer.add_document("qrst qrst qrst", shared ? 1 : 0);
    return trainer.train();
  };
  CHECK_FALSE(train({})->token_id("qr").has_value());
  const TokenizerPtr shared = train({1, 9});
  CHECK(shared->token_id("qr").has_value());
  CHECK(train({2, 18})->fingerprint() == shared->fingerprint());
}

TEST_CASE("lines of JSON go in and come out") {
  const TokenizerPtr bytes = make_byte_tokenizer();
  CHECK(encode_json_lines(*bytes, "\"ab\"\n\n\"\\u00e9<end>\"\n", {}, 1) ==
        "[97, 98]\n[195, 169, 259]\n");
  CHECK(decode_json_lines(*bytes, "[97, 98]\n[]\n[10, 255]", false, 1) ==
        "\"ab\"\n\"\"\n\"\\n\uFFFD\"\n");
  CHECK_THROWS_WITH(encode_json_lines(*bytes, "\"ab\"\n{\"a\": 1}\n", {}, 7),
                    Catch::Contains("line 8: got an object"));
  // Many lines, several threads: the same bytes, and the first faulty line is named.
  std::string many;
  for (int i = 0; i < 20000; ++i)
    many += i % 7 == 0 ? "\n" : "\"line " + std::to_string(i) + "\"\n";
  const std::string expected = encode_json_lines(*bytes, many, {}, 1);
  CHECK(std::count(expected.begin(), expected.end(), '\n') == 20000 - 2858);
  CHECK((encode_json_lines(*bytes, many, {.threads = 3}, 1) == expected));
  CHECK_THROWS_WITH(encode_json_lines(*bytes, many + "x\n" + many + "y\n", {.threads = 3}, 1),
                    Catch::Contains("line 20001: not valid JSON"));
  CHECK_THROWS_WITH(decode_json_lines(*bytes, "[1, x]\n", false, 1), Catch::Contains("'x'"));
  // A list longer than the buffer it is written through, in decimal numbers of all lengths.
  const std::string long_line(5000, 'z');
  const std::string list = encode_json_lines(*bytes, '"' + long_line + "\"\n\"\"", {}, 1);
  CHECK(list.size() == 5000 * 5 + 1 + 3);
  CHECK(decode_json_lines(*bytes, list, false, 1) == '"' + long_line + "\"\n\"\"\n");
}
