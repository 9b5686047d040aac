// Module rmkv.tokenizer: text to token ids and back, training a vocabulary.  Here its functions;
// the classes are in lua_tokenizer_class.cpp, lua_stream_decoder.cpp and lua_tokenizer_trainer.cpp.
#include "bindings/lua_tokenizer.h"

#include "bindings/modules.h"
#include "bindings/objects.h"
#include "tokenizer/bpe_trainer.h"
#include "tokenizer/character_tokenizer.h"
#include "tokenizer/stream_decoder.h"

namespace rmkv::lua {
namespace {

int load(Call& c) {
  return c.push_object(load_tokenizer(c.string(1)));
}
int parse(Call& c) {
  return c.push_object(parse_tokenizer_json(c.text(1), c.string(2, "tokenizer.json")));
}
int load_pair(Call& c) {
  return c.push_object(load_gpt2(c.string(1), c.string(2)));
}
int bytes(Call& c) {
  return c.push_object(c.boolean(1, true) ? make_byte_tokenizer() : make_plain_byte_tokenizer());
}
int ascii(Call& c) {
  return c.push_object(make_ascii_tokenizer());
}
int characters(Call& c) {
  return c.push_object(make_character_tokenizer(c.text(1)));
}

std::vector<Function> loading_functions() {
  const Field path{"path", "string", ""}, result{"", "Tokenizer", ""};
  return {
      {.name = "rmkv.tokenizer.load",
       .doc = "Reads a tokenizer.json, a tiktoken rank file, a World vocabulary, or a "
              "folder with "
              "one of them or vocab.json and merges.txt.",
       .args = {path},
       .returns = {result},
       .call = load,
       .errors = "when the file is missing, damaged, or asks for what is not supported"},
      {.name = "rmkv.tokenizer.parse",
       .doc = "Reads the text of a tokenizer.json.",
       .args = {{"json", "string", ""},
                {"name", "string?", "opens the message of an error", "tokenizer.json"}},
       .returns = {result},
       .call = parse,
       .errors = "as load"},
      {.name = "rmkv.tokenizer.load_gpt2",
       .doc = "Reads the pair of files that GPT-2 came with.",
       .args = {{"vocab", "string", "vocab.json"}, {"merges", "string", "merges.txt"}},
       .returns = {result},
       .call = load_pair,
       .errors = "as load"},
      {.name = "rmkv.tokenizer.bytes",
       .doc = "Makes a tokenizer of bytes: ids 0..255, then the special tokens.",
       .args = {{"special", "boolean?", "with the special tokens", "true"}},
       .returns = {result},
       .call = bytes},
      {.name = "rmkv.tokenizer.ascii",
       .doc = "Makes a tokenizer of printable ASCII characters.",
       .args = {},
       .returns = {result},
       .call = ascii},
      {.name = "rmkv.tokenizer.characters",
       .doc = "Makes a tokenizer of the characters of a text.",
       .args = {{"text", "string", ""}},
       .returns = {result},
       .call = characters},
  };
}

}  // namespace

Module tokenizer_module() {
  Module module{.name = "rmkv.tokenizer",
                .doc = "text to token ids and back, training a vocabulary",
                .functions = loading_functions(),
                .classes = {&class_of<const Tokenizer>(), &class_of<StreamDecoder>(),
                            &class_of<BpeTrainer>()}};
  for (auto* part : {tokenizer_trainer_functions, tokenizer_functions, stream_decoder_functions}) {
    for (Function& function : part()) module.functions.push_back(std::move(function));
  }
  return module;
}

}  // namespace rmkv::lua
