// The class Decoder of the module rmkv.tokenizer: text from tokens that come one at a time.
#include "bindings/lua_tokenizer.h"
#include "bindings/objects.h"

namespace rmkv::lua {

template <>
const Class& class_of<StreamDecoder>() {
  static const Class type{"Decoder", "decodes one token at a time, whole UTF-8 characters only"};
  return type;
}
namespace {

int decoder(Call& c) {
  return c.push_new(StreamDecoder(c.shared<const Tokenizer>(1), skip_special(c, 2)));
}
int decoder_push(Call& c) {
  return c.push(c.object<StreamDecoder>(1).push(static_cast<int32_t>(c.integer(2))));
}
int decoder_flush(Call& c) {
  return c.push(c.object<StreamDecoder>(1).flush());
}

}  // namespace

std::vector<Function> stream_decoder_functions() {
  const Field id_field{"id", "integer", "from 0"}, skip_option = skip_special_field();
  return {
      {.name = "Tokenizer:decoder",
       .doc = "Makes a decoder for tokens that come one at a time.",
       .args = {skip_option},
       .returns = {{"", "Decoder", ""}},
       .call = decoder},
      {.name = "Decoder:push",
       .doc = "Takes a token and returns what can be shown now.",
       .args = {id_field},
       .returns = {{"", "string", ""}},
       .call = decoder_push,
       .errors = "on an id outside the vocabulary"},
      {.name = "Decoder:flush",
       .doc = "Returns the bytes held back.",
       .args = {},
       .returns = {{"", "string", ""}},
       .call = decoder_flush},
  };
}

}  // namespace rmkv::lua
