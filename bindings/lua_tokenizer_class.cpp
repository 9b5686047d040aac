// The class Tokenizer of the module rmkv.tokenizer: encoding, decoding and looking up tokens.
#include <algorithm>
#include <chrono>

#include "bindings/lua_tokenizer.h"
#include "bindings/objects.h"
#include "bindings/tensor_args.h"
#include "core/base/error.h"
#include "core/base/file.h"
#include "core/base/option_reader.h"
#include "core/tensor/torch.h"
#include "tokenizer/id_format.h"
#include "tokenizer/json_lines.h"

namespace rmkv::lua {

template <>
const Class& class_of<const Tokenizer>() {
  static const Class type{"Tokenizer", "bytes to token ids and back; ids count from 0"};
  return type;
}
std::vector<int32_t> ids_arg(const Call& c, int index) {
  std::vector<int64_t> wide;
  if (c.is<Tensor>(index)) {
    Tensor ids = tokens_arg(c, index).to(at::kCPU).flatten();
    wide.assign(ids.data_ptr<int64_t>(), ids.data_ptr<int64_t>() + ids.numel());
  } else {
    wide = c.integers(index);
  }
  std::vector<int32_t> ids;
  ids.reserve(wide.size());
  for (int64_t id : wide) {
    if (id < 0 || id > INT32_MAX)
      fail(c.argument_name(index), std::to_string(id), "token ids from 0");
    ids.push_back(static_cast<int32_t>(id));
  }
  return ids;
}

bool skip_special(const Call& c, int index) {
  const Table options = c.table(index);
  const Value* value = find(options, "skip_special");
  return value != nullptr && value->as_bool();
}

Field skip_special_field() {
  return {"options", "options?",
          "",        "",
          -HUGE_VAL, HUGE_VAL,
          "",        {{"skip_special", "boolean?", "leave special tokens out", "false"}}};
}

namespace {

const Tokenizer& tokenizer(const Call& c) {
  return c.object<const Tokenizer>(1);
}

EncodeOptions encode_options(const Call& c, int index) {
  Table table = c.table(index);
  OptionReader reader(table, "tokenizer:encode");
  EncodeOptions options;
  int64_t seed = 0, threads = 1;
  reader.read("special", options.parse_special);
  reader.read("template", options.add_template);
  reader.read("fit", options.fit);
  reader.read("dropout", options.dropout, 0.0, 1.0);
  reader.read("seed", seed, 0);
  reader.read("threads", threads, 1, 256);
  reader.finish();
  options.threads = static_cast<int>(threads);
  options.seed = static_cast<uint64_t>(seed);
  return options;
}

std::vector<int32_t> encoded(const Call& c, int options) {
  const std::string_view text = c.text(2);
  std::vector<int32_t> ids;
  ids.reserve(text.size() / 4 + 16);
  tokenizer(c).encode_to(text, encode_options(c, options), ids);
  return ids;
}

int encode(Call& c) {
  std::vector<int32_t> ids = encoded(c, 3);
  return c.push(std::vector<int64_t>(ids.begin(), ids.end()));
}

int encode_tensor(Call& c) {
  std::vector<int32_t> ids = encoded(c, 3);
  Tensor tensor = at::empty({static_cast<int64_t>(ids.size())}, at::kLong);
  std::copy(ids.begin(), ids.end(), tensor.data_ptr<int64_t>());
  return push_tensor(c, tensor);
}

int encode_bytes(Call& c) {
  const IdFormat format = parse_id_format(c.string(3));
  const auto started = std::chrono::steady_clock::now();
  const std::vector<int32_t> ids = encoded(c, 4);
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - started;
  c.push(write_ids(ids, format));
  c.push(static_cast<int64_t>(ids.size()));
  return c.push(seconds.count()) + 2;
}

int encode_lines(Call& c) {
  return c.push(encode_json_lines(tokenizer(c), c.text(2), encode_options(c, 4),
                                  static_cast<uint64_t>(c.integer(3))));
}

int decode(Call& c) {
  return c.push(tokenizer(c).decode(ids_arg(c, 2), skip_special(c, 3)));
}

int decode_bytes(Call& c) {
  const std::vector<int32_t> ids = read_ids(c.text(2), parse_id_format(c.string(3)), "ids");
  return c.push(tokenizer(c).decode(ids, skip_special(c, 4)));
}

int decode_lines(Call& c) {
  return c.push(decode_json_lines(tokenizer(c), c.text(2), skip_special(c, 4),
                                  static_cast<uint64_t>(c.integer(3))));
}

int special(Call& c) {
  return c.push(static_cast<int64_t>(tokenizer(c).special(c.text(2))));
}

int has_special(Call& c) {
  auto id = tokenizer(c).token_id(c.text(2));
  return c.push(id && tokenizer(c).is_special(*id));
}

int32_t id_arg(const Call& c, int index) {
  int64_t id = c.integer(index);
  if (id < 0 || id >= tokenizer(c).vocab_size()) {
    fail(c.argument_name(index), std::to_string(id),
         "0 .. " + std::to_string(tokenizer(c).vocab_size() - 1));
  }
  return static_cast<int32_t>(id);
}

int is_special(Call& c) {
  return c.push(tokenizer(c).is_special(id_arg(c, 2)));
}
int token(Call& c) {
  return c.push(tokenizer(c).token_bytes(id_arg(c, 2)));
}

int id(Call& c) {
  auto found = tokenizer(c).token_id(c.text(2));
  return found ? c.push(static_cast<int64_t>(*found)) : c.push_nil();
}

int vocab_size(Call& c) {
  return c.push(static_cast<int64_t>(tokenizer(c).vocab_size()));
}
int kind(Call& c) {
  return c.push(tokenizer(c).kind());
}
int fingerprint(Call& c) {
  return c.push(tokenizer(c).fingerprint());
}
int to_json(Call& c) {
  return c.push(tokenizer(c).to_json());
}

int save(Call& c) {
  write_file_atomic(c.string(2), tokenizer(c).to_json());
  return 0;
}

Field encode_options_field() {
  return {"options",
          "options?",
          "",
          "",
          -HUGE_VAL,
          HUGE_VAL,
          "",
          {{"special", "boolean?", "special tokens written in the text become their ids", "true"},
           {"template", "boolean?", "with what the file puts before and behind a text", "false"},
           {"fit", "boolean?", "with the truncation and padding of the file", "false"},
           {"dropout", "number?", "BPE merges passed over with this probability",
            "as the file says", 0, 1},
           {"seed", "integer?", "for dropout", "0", 0},
           {"threads", "integer?", "for one long text; the ids do not depend on it", "1", 1, 256}}};
}

}  // namespace

std::vector<Function> tokenizer_functions() {
  const Field path{"path", "string", ""}, id_field{"id", "integer", "from 0"};
  const Field special_option = encode_options_field(), skip_option = skip_special_field();
  const Field format{
      "format", "string",  "",
      "",       -HUGE_VAL, HUGE_VAL,
      "",       {},        {"text", "json", "u16", "uint16", "u32", "uint32", "npy"}};
  const Field line{"first_line", "integer", "number of the first line in messages", "", 1};
  return {
      {.name = "Tokenizer:encode",
       .doc = "Turns text into ids.",
       .args = {{"text", "string", "any bytes"}, special_option},
       .returns = {{"", "list", "ids from 0"}},
       .call = encode},
      {.name = "Tokenizer:encode_tensor",
       .doc = "Turns text into ids in a tensor.",
       .args = {{"text", "string", "any bytes"}, special_option},
       .returns = {{"", "Tensor", "int64 [n]"}},
       .call = encode_tensor},
      {.name = "Tokenizer:encode_bytes",
       .doc = "Turns text into ids written as bytes, for pipes and files.",
       .args = {{"text", "string", "any bytes"}, format, special_option},
       .returns = {{"", "string", ""}, {"", "integer", "ids"}, {"", "number", "seconds"}},
       .call = encode_bytes},
      {.name = "Tokenizer:encode_lines",
       .doc = "Turns lines of JSON strings into lines of arrays of ids.",
       .args = {{"lines", "string", "whole lines"}, line, special_option},
       .returns = {{"", "string", ""}},
       .call = encode_lines,
       .errors = "on a line that is no JSON string"},
      {.name = "Tokenizer:decode_bytes",
       .doc = "Turns ids written as bytes into text.",
       .args = {{"bytes", "string", ""}, format, skip_option},
       .returns = {{"", "string", ""}},
       .call = decode_bytes,
       .errors = "on what is no id of the vocabulary"},
      {.name = "Tokenizer:decode_lines",
       .doc = "Turns lines of arrays of ids into lines of JSON strings.",
       .args = {{"lines", "string", "whole lines"}, line, skip_option},
       .returns = {{"", "string", ""}},
       .call = decode_lines,
       .errors = "as decode_bytes"},
      {.name = "Tokenizer:decode",
       .doc = "Turns ids into text.",
       .args = {{"ids", "shape|Tensor", ""}, skip_option},
       .returns = {{"", "string", ""}},
       .call = decode,
       .errors = "on an id outside the vocabulary"},
      {.name = "Tokenizer:special",
       .doc = "Returns the id of a special token.",
       .args = {{"name", "string", "\"<end>\""}},
       .returns = {{"", "integer", ""}},
       .call = special,
       .errors = "when there is none of that name"},
      {.name = "Tokenizer:has_special",
       .doc = "Tells whether there is a special token of that name.",
       .args = {{"name", "string", ""}},
       .returns = {{"", "boolean", ""}},
       .call = has_special},
      {.name = "Tokenizer:is_special",
       .doc = "Tells whether an id is a special token.",
       .args = {id_field},
       .returns = {{"", "boolean", ""}},
       .call = is_special},
      {.name = "Tokenizer:token",
       .doc = "Returns the bytes of a token.",
       .args = {id_field},
       .returns = {{"", "string", "empty for an unused id"}},
       .call = token},
      {.name = "Tokenizer:id",
       .doc = "Returns the id of a token's bytes.",
       .args = {{"bytes", "string", ""}},
       .returns = {{"", "integer?", "nil when there is none"}},
       .call = id},
      {.name = "Tokenizer:vocab_size",
       .doc = "Returns one more than the largest id.",
       .args = {},
       .returns = {{"", "integer", ""}},
       .call = vocab_size},
      {.name = "Tokenizer:kind",
       .doc = "Returns \"bpe\", \"bytes\", \"unigram\", \"wordpiece\", \"words\", "
              "\"characters\" "
              "or \"world\".",
       .args = {},
       .returns = {{"", "string", ""}},
       .call = kind},
      {.name = "Tokenizer:fingerprint",
       .doc = "Returns a hash of everything the tokenizer is.",
       .args = {},
       .returns = {{"", "string", ""}},
       .call = fingerprint},
      {.name = "Tokenizer:to_json",
       .doc = "Returns the text of a tokenizer.json.",
       .args = {},
       .returns = {{"", "string", ""}},
       .call = to_json},
      {.name = "Tokenizer:save",
       .doc = "Writes a tokenizer.json atomically.",
       .args = {path},
       .returns = {},
       .call = save,
       .errors = "when it cannot be written"},
  };
}

}  // namespace rmkv::lua
