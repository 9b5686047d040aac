// tokenizer.json: what is accepted, what is refused and how, and that no damage can do more than
// raise an Error.
#include "core/base/error.h"
#include "core/base/random.h"
#include "tests/catch.h"
#include "tokenizer/bpe_trainer.h"
#include "tokenizer/byte_level.h"
#include "tokenizer/tokenizer.h"

using namespace rmkv;

namespace {

// A vocabulary of all bytes (id = byte) and what `more` adds, as a whole file; the parts can be
// replaced.
struct File {
  std::string top = "";  // further top-level members, each with a comma in front
  std::string added = "[]";
  std::string normalizer = "null";
  std::string pre_tokenizer =
      R"({"type": "ByteLevel", "add_prefix_space": false, "use_regex": true})";
  std::string post_processor = "null";
  std::string decoder = R"({"type": "ByteLevel"})";
  std::string options = "";  // further members of the model, each with a comma at the end
  std::string more = "";     // further members of the vocabulary, each with a comma in front
  std::string merges = "[]";

  std::string text() const {
    std::string vocab;
    for (int byte = 0; byte < 256; ++byte) {
      const char c = static_cast<char>(byte);
      const std::string spelling = spell_bytes({&c, 1});
      vocab += (byte > 0 ? ", \"" : "\"") +
               (spelling == "\"" || spelling == "\\" ? "\\" + spelling : spelling) +
               "\": " + std::to_string(byte);
    }
    return R"({"version": "1.0", "truncation": null, "padding": null, "added_tokens": )" + added +
           R"(, "normalizer": )" + normalizer + R"(, "pre_tokenizer": )" + pre_tokenizer +
           R"(, "post_processor": )" + post_processor + R"(, "decoder": )" + decoder +
           R"(, "model": {"type": "BPE", )" + options + R"("vocab": {)" + vocab + more +
           R"(}, "merges": )" + merges + "}" + top + "}";
  }
  TokenizerPtr parse() const { return parse_tokenizer_json(text(), "FILE"); }
};

std::string error_of(const File& file) {
  try {
    file.parse();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

using Ids = std::vector<int32_t>;

}  // namespace

TEST_CASE("both notations of merges, and the order of ranks") {
  const std::string more = R"(, "ab": 256, "abc": 257, "bc": 258)";
  for (const char* merges :
       {R"([["b", "c"], ["a", "b"], ["ab", "c"]])", R"(["b c", "a b", "ab c"])",
        R"(["#version: 0.2", "b c", "a b", "ab c"])"}) {
    const TokenizerPtr tokenizer = File{.more = more, .merges = merges}.parse();
    CHECK(tokenizer->encode("abc") == Ids{'a', 258});
    CHECK(tokenizer->encode("ab") == Ids{256});
  }
  CHECK(File{.more = more, .merges = R"(["a b", "b c", "ab c"])"}.parse()->encode("abc") ==
        Ids{257});
}

TEST_CASE("ignore_merges takes a word of the vocabulary whole") {
  File file{.more = R"(, "xyz": 256)"};
  CHECK(file.parse()->encode("xyz xyz") == Ids{'x', 'y', 'z', ' ', 'x', 'y', 'z'});
  file.options = R"("ignore_merges": true, )";
  CHECK(file.parse()->encode("xyz xyz") == Ids{256, ' ', 'x', 'y', 'z'});
}

TEST_CASE("added tokens get the id of the vocabulary or the next free one") {
  const File file{
      .added =
          R"([{"id": 7, "content": "<a>", "special": true}, {"id": 0, "content": "xy", "special": false},
                   {"id": 1, "content": "<b>", "special": true}])",
      .more = R"(, "xy": 256)"};
  const TokenizerPtr tokenizer = file.parse();
  CHECK(tokenizer->special("<a>") == 257);
  CHECK(tokenizer->token_id("xy") == 256);
  CHECK(tokenizer->special("<b>") == 258);
  CHECK(tokenizer->vocab_size() == 259);
  CHECK(tokenizer->encode("<b>xy", false) == Ids{'<', 'b', '>', 256});
  CHECK(parse_tokenizer_json(tokenizer->to_json(), "again")->fingerprint() ==
        tokenizer->fingerprint());
}

TEST_CASE("pre-tokenizers: a blank in front, splits and digits in sequence") {
  File file;
  file.pre_tokenizer = R"({"type": "ByteLevel", "add_prefix_space": true})";
  CHECK(file.parse()->decode(file.parse()->encode("a b")) == " a b");
  CHECK(file.parse()->decode(file.parse()->encode(" a b")) == " a b");
  file.merges = R"(["1 2"])";
  file.more = R"(, "12": 256)";
  file.pre_tokenizer = R"({"type": "ByteLevel", "add_prefix_space": false})";
  CHECK(file.parse()->encode("12") == Ids{256});
  file.pre_tokenizer =
      R"({"type": "Sequence", "pretokenizers": [{"type": "Digits", "individual_digits": true},
      {"type": "ByteLevel", "add_prefix_space": false}]})";
  CHECK(file.parse()->encode("12") == Ids{'1', '2'});
  file.pre_tokenizer = R"({"type": "Sequence", "pretokenizers": [
      {"type": "Split", "pattern": {"String": "2."}, "behavior": "Isolated", "invert": false},
      {"type": "ByteLevel", "add_prefix_space": true, "use_regex": false}]})";
  CHECK(file.parse()->encode("1212.12") == Ids{' ', 256, '1', ' ', '2', '.', ' ', 256});
  CHECK(parse_tokenizer_json(file.parse()->to_json(), "again")->encode("1212.12") ==
        file.parse()->encode("1212.12"));
}

TEST_CASE("bytes that the vocabulary lacks are the unknown token, or nothing") {
  const auto parse = [](const std::string& options) {
    return parse_tokenizer_json(
        R"({"pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false}, "decoder": {"type": "ByteLevel"},
            "model": {"type": "BPE", )" +
            options + R"("vocab": {"a": 0, "?": 1, "aa": 2}, "merges": ["a a"]}})",
        "FILE");
  };
  CHECK(parse("")->encode("abba") == Ids{2});
  CHECK(parse(R"("unk_token": "?", )")->encode("abba") == Ids{0, 1, 1, 0});
  CHECK(parse(R"("unk_token": "?", "fuse_unk": true, )")->encode("abba") == Ids{0, 1, 0});
  CHECK(parse("")->vocab_size() == 3);
}

TEST_CASE("what is not supported is refused by name") {
  const auto refuses = [](const File& file, const std::string& words) {
    INFO(words);
    CHECK_THAT(error_of(file), Catch::Contains(words));
  };
  CHECK(error_of({}) == "");
  refuses({.top = R"(, "modle": 1)"}, "FILE: got unknown key 'modle'; did you mean 'model'?");
  refuses({.top = R"(, "model": {})"}, "'model' twice");
  refuses({.normalizer = R"({"type": "Sequence", "normalizers": [{"type": "Other"}]})"},
          "FILE.normalizer.normalizers[0]: got a normalizer of type 'Other'");
  refuses({.normalizer = R"({"type": "Precompiled", "precompiled_charsmap": "?"})"},
          "FILE.normalizer.precompiled_charsmap: got no base64");
  refuses({.post_processor = R"({"type": "Other"})"},
          "FILE.post_processor: got a post-processor of type 'Other'");
  refuses({.decoder = R"({"type": "CTC"})"}, "FILE.decoder: got a decoder of type 'CTC'");
  refuses({.decoder = R"({"type": "Sequence", "decoders": [{"type": "Fuse"},
           {"type": "ByteFallback"}]})"},
          "FILE.decoder.decoders[1]: got 'ByteFallback' behind Fuse");
  refuses({.pre_tokenizer = R"({"type": "UnicodeScripts"})"}, "type 'UnicodeScripts'");
  refuses(
      {.pre_tokenizer =
           R"({"type": "Sequence", "pretokenizers": [{"type": "Split", "pattern": {"Regex": "("},
           "behavior": "Isolated"}, {"type": "ByteLevel"}]})"},
      "pattern '('");
  refuses({.pre_tokenizer = R"({"type": "Split", "pattern": {"String": "a"},
           "behavior": "Dropped", "invert": false})"},
          "FILE.pre_tokenizer.behavior: got behavior 'Dropped'");
  refuses({.options = R"("dropout": 1.5, )"}, "FILE.model.dropout");
}

TEST_CASE("an unknown token that the vocabulary lacks matters only where it is needed") {
  const TokenizerPtr bytes = File{.options = R"("unk_token": "<none>", )"}.parse();
  CHECK(bytes->encode("any text \xff") == bytes->encode("any text \xff"));
  CHECK(bytes->to_json().find(R"("unk_token": "<none>")") != std::string::npos);
  const TokenizerPtr text = parse_tokenizer_json(
      R"({"version": "1.0", "model": {"type": "BPE", "unk_token": "<none>", "vocab": {"a": 0}, "merges": []}})",
      "FILE");
  CHECK(text->encode("aa") == Ids{0, 0});
  CHECK_THROWS_WITH(text->encode("ab"), Catch::Contains("unknown token '<none>'"));
}

TEST_CASE("bytes at the end of a word have names of their own, as in CLIP's file") {
  const TokenizerPtr clip =
      File{.options = R"("end_of_word_suffix": "</w>", )",
           .more = R"(, "a</w>": 256, "b</w>": 257, "ab</w>": 258, "ba": 259)",
           .merges = R"([["a", "b</w>"], ["b", "a"]])"}
          .parse();
  CHECK(clip->encode("ab") == Ids{258});
  CHECK(clip->encode("bab") == Ids{'b', 258});
  CHECK(clip->encode("baa") == Ids{259, 256});
  CHECK(clip->encode("a a") == Ids{256, ' ', 256});
  CHECK(clip->decode(clip->encode("ab")) == "ab</w>");
  CHECK(parse_tokenizer_json(clip->to_json(), "again")->fingerprint() == clip->fingerprint());
}

TEST_CASE("contradictions and wrong types name their place") {
  const auto refuses = [](const File& file, const std::string& words) {
    INFO(words);
    CHECK_THAT(error_of(file), Catch::Contains(words));
  };
  refuses({.more = R"(, "ab": 97)"}, "FILE.model.vocab: got id 97 for");
  refuses({.more = R"(, "ab": 4294967296)"},
          "FILE.model.vocab['ab']: got 4294967296, expected an id from 0 to 2097150");
  refuses({.more = R"(, "ab": -1)"}, "got -1");
  refuses({.more = R"(, "": 256)"}, "FILE.model.vocab: got an empty token");
  refuses({.more = R"(, "ab": "x")"}, "got a string");
  refuses({.merges = R"(["a b"])"}, "'ab'");
  refuses({.merges = R"(["a bb"])"}, "'bb', expected a token of the vocabulary");
  refuses({.merges = R"(["ab"])"}, "two tokens with one blank");
  refuses({.merges = R"([["a"]])"}, "1 elements");
  refuses({.merges = R"([["a", 1]])"}, "got a number, expected a string");
  refuses({.merges = "[7]"}, "merge 0");
  refuses({.merges = "{}"}, "FILE.model.merges: got an object, expected an array");
  refuses({.added = R"([{"id": 3}])"}, "no 'content'");
  refuses({.added = R"([{"content": "x", "lstrip": 1}])"},
          "lstrip: got a number, expected a boolean");
  for (const char* text : {"", "{", "[]", "null", "{}", "{\"model\": 3}", "\xEF\xBB\xBF{}", "{} x",
                           "{\"a\": \"\xFF\"}"}) {
    INFO(text);
    CHECK_THROWS_AS(parse_tokenizer_json(text, "FILE"), Error);
  }
  std::string deep(100'000, '[');
  CHECK_THROWS_AS(parse_tokenizer_json(deep, "FILE"), Error);
}

TEST_CASE("a damaged file is an Error or a working tokenizer") {
  BpeTrainer trainer({.vocab_size = 275});
  trainer.add_document("the cat and the hat and the bat, the rat that sat");
  const std::string files[] = {
      trainer.train()->to_json(), make_ascii_tokenizer()->to_json(),
      File{.added = R"([{"content": "<a>", "special": true, "lstrip": true}])",
           .more = R"(, "ab": 256)",
           .merges = R"(["a b"])"}
          .text()};
  const std::string_view snippets[] = {
      "null", "[]",        "{}",        "\"\"",    "-1",  "1e99", "99999999999999999999",
      "true", "\"model\"", "\"vocab\"", ",",       ":",   "{",    "}",
      "[",    "]",         "\"",        "\\u0000", "\xFF"};
  const uint64_t seed = 31337;
  INFO("seed " << seed);
  RandomStream random(seed, "tokenizer.json");
  int refused = 0, accepted = 0;
  for (int round = 0; round < 4000; ++round) {
    std::string text = files[random.below(std::size(files))];
    for (uint64_t edits = 1 + random.below(3); edits > 0; --edits) {
      const size_t at = random.below(text.size());
      const size_t size =
          std::min<size_t>(random.below(random.below(4) == 0 ? 400 : 8), text.size() - at);
      switch (random.below(4)) {
        case 0:
          text[at] = static_cast<char>(random.below(256));
          break;
        case 1:
          text.erase(at, size);
          break;
        case 2:
          text.insert(at, text.substr(random.below(text.size()), size));
          break;
        default:
          text.replace(at, size, snippets[random.below(std::size(snippets))]);
      }
    }
    try {
      const TokenizerPtr tokenizer = parse_tokenizer_json(text, "FILE");
      tokenizer->decode(tokenizer->encode("the cat <end> <a>ab \xFF\n12"));
      CHECK_NOTHROW(parse_tokenizer_json(tokenizer->to_json(), "AGAIN"));
      ++accepted;
    } catch (const Error&) {
      ++refused;
    }
  }
  CHECK(refused > 100);
  CHECK(accepted > 100);
}
