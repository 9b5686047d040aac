// Module rmkv.tokenizer: text to token ids and back, training a vocabulary.
#include <algorithm>
#include <chrono>

#include "bindings/modules.h"
#include "bindings/objects.h"
#include "bindings/tensor_args.h"
#include "core/base/cancel.h"
#include "core/base/error.h"
#include "core/base/file.h"
#include "core/base/option_reader.h"
#include "core/data/document_order.h"
#include "core/tensor/torch.h"
#include "tokenizer/bpe_trainer.h"
#include "tokenizer/id_format.h"
#include "tokenizer/json_lines.h"
#include "tokenizer/stream_decoder.h"

namespace rmkv::lua {

template <>
const Class& class_of<const Tokenizer>() {
  static const Class type{"Tokenizer", "bytes to token ids and back; ids count from 0"};
  return type;
}
template <>
const Class& class_of<StreamDecoder>() {
  static const Class type{"Decoder", "decodes one token at a time, whole UTF-8 characters only"};
  return type;
}
template <>
const Class& class_of<BpeTrainer>() {
  static const Class type{"TokenizerTrainer",
                          "counts the words of documents and finds their merges"};
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

namespace {

const Tokenizer& tokenizer(const Call& c) {
  return c.object<const Tokenizer>(1);
}

bool flag(const Call& c, int index, const char* key, bool fallback) {
  Table options = c.table(index);
  const Value* value = find(options, key);
  return value ? value->as_bool() : fallback;
}

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
  return c.push_object(make_byte_tokenizer());
}
int ascii(Call& c) {
  return c.push_object(make_ascii_tokenizer());
}
int characters(Call& c) {
  return c.push_object(make_character_tokenizer(c.text(1)));
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
  return c.push(tokenizer(c).decode(ids_arg(c, 2), flag(c, 3, "skip_special", false)));
}

int decode_bytes(Call& c) {
  const std::vector<int32_t> ids = read_ids(c.text(2), parse_id_format(c.string(3)), "ids");
  return c.push(tokenizer(c).decode(ids, flag(c, 4, "skip_special", false)));
}

int decode_lines(Call& c) {
  return c.push(decode_json_lines(tokenizer(c), c.text(2), flag(c, 4, "skip_special", false),
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

int decoder(Call& c) {
  return c.push_new(StreamDecoder(c.shared<const Tokenizer>(1), flag(c, 2, "skip_special", false)));
}
int decoder_push(Call& c) {
  return c.push(c.object<StreamDecoder>(1).push(static_cast<int32_t>(c.integer(2))));
}
int decoder_flush(Call& c) {
  return c.push(c.object<StreamDecoder>(1).flush());
}

int trainer(Call& c) {
  Table table = c.table(1);
  OptionReader reader(table, "rmkv.tokenizer.trainer");
  BpeTrainerOptions options;
  int64_t threads = 1;
  std::string pattern = "llama3";
  reader.read("vocab_size", options.vocab_size, 1, 1 << 24);
  reader.read("min_frequency", options.min_frequency, 1);
  reader.read("threads", threads, 1, 256);
  if (reader.read("pattern", pattern)) options.pattern = parse_split_pattern(pattern);
  reader.read("special_tokens", options.special_tokens);
  std::string alphabet = "bytes";
  reader.read("alphabet", alphabet, {"bytes", "characters"});
  if (alphabet == "characters") options.alphabet = BpeAlphabet::kCharacters;
  reader.read("coverage", options.coverage, 0.0, 1.0);
  reader.read("max_characters", options.max_characters, 0, 0x110000);
  reader.read("shares", options.shares);
  reader.finish();
  options.threads = static_cast<int>(threads);
  return c.push_object(std::make_shared<BpeTrainer>(options));
}

// Sources count from 1 in Lua.
size_t source_arg(const Call& c, int index) {
  return static_cast<size_t>(c.integer(index, 1) - 1);
}

int trainer_add(Call& c) {
  c.object<BpeTrainer>(1).add_document(c.text(2), source_arg(c, 3));
  return 0;
}

// Documents spread over the whole source, so that a part of it speaks for all.
int trainer_add_source(Call& c) {
  auto& trainer = c.object<BpeTrainer>(1);
  const auto& source = c.object<const DocumentSource>(2);
  auto limit = static_cast<uint64_t>(c.number(3, 1e18));
  const auto most = static_cast<uint64_t>(c.number(4, 1e18));
  const size_t share = source_arg(c, 5);
  uint64_t added = 0, ordinal = 0, taken = 0;
  bool endless = source.document_count() == DocumentSource::kUnlimited;
  if (endless && std::min(limit, most) > (uint64_t{1} << 40))
    fail("limit_bytes", "nothing", "a limit: the source has no end");
  DocumentOrder order(c.shared<const DocumentSource>(2), "tokenizer", {});
  for (; added < limit && taken < most; ++taken) {
    check_cancelled("tokenizer training");
    OrderedDocument next = *order.next(ordinal);
    if (!endless && order.epoch(next.ordinal) > 0) break;
    ordinal = next.ordinal + 1;
    try {
      Document document = source.document(next.id);
      added += document.text.size();
      trainer.add_document(document.text, share);
    } catch (const BadDocument&) {
      // The stream counts and names bad documents; a vocabulary can do without them.
    }
  }
  return c.push(added);
}

int trainer_train(Call& c) {
  return c.push_object(c.object<BpeTrainer>(1).train());
}
int trainer_bytes(Call& c) {
  return c.push(c.object<BpeTrainer>(1).bytes());
}
int trainer_documents(Call& c) {
  return c.push(c.object<BpeTrainer>(1).documents());
}

}  // namespace

Module tokenizer_module() {
  const Field path{"path", "string", ""}, result{"", "Tokenizer", ""},
      id_field{"id", "integer", "from 0"};
  const Field special_option{
      "options",
      "options?",
      "",
      "",
      -HUGE_VAL,
      HUGE_VAL,
      "",
      {{"special", "boolean?", "special tokens written in the text become their ids", "true"},
       {"template", "boolean?", "with what the file puts before and behind a text", "false"},
       {"fit", "boolean?", "with the truncation and padding of the file", "false"},
       {"dropout", "number?", "BPE merges passed over with this probability", "as the file says", 0,
        1},
       {"seed", "integer?", "for dropout", "0", 0},
       {"threads", "integer?", "for one long text; the ids do not depend on it", "1", 1, 256}}};
  const Field skip_option{
      "options", "options?",
      "",        "",
      -HUGE_VAL, HUGE_VAL,
      "",        {{"skip_special", "boolean?", "leave special tokens out", "false"}}};
  const Field format{
      "format", "string",  "",
      "",       -HUGE_VAL, HUGE_VAL,
      "",       {},        {"text", "json", "u16", "uint16", "u32", "uint32", "npy"}};
  const Field line{"first_line", "integer", "number of the first line in messages", "", 1};
  return {
      .name = "rmkv.tokenizer",
      .doc = "text to token ids and back, training a vocabulary",
      .functions =
          {
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
               .args = {},
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
              {.name = "rmkv.tokenizer.trainer",
               .doc = "Opens the training of a byte-level BPE vocabulary.",
               .args =
                   {{"options",
                     "options?",
                     "",
                     "",
                     -HUGE_VAL,
                     HUGE_VAL,
                     "",
                     {{"vocab_size", "integer?", "special tokens + 256 bytes + merges", "8192", 1,
                       1 << 24, "entries"},
                      {"min_frequency", "integer?", "a pair seen less often is not merged", "2", 1},
                      {"pattern",
                       "string?",
                       "how text is split before merging",
                       "\"llama3\"",
                       -HUGE_VAL,
                       HUGE_VAL,
                       "",
                       {},
                       {"gpt2", "llama3", "qwen2", "o200k"}},
                      {"threads", "integer?", "for counting", "1", 1, 256},
                      {"alphabet",
                       "string?",
                       "characters: rare ones fall back to bytes",
                       "\"bytes\"",
                       -HUGE_VAL,
                       HUGE_VAL,
                       "",
                       {},
                       {"bytes", "characters"}},
                      {"coverage", "number?", "characters for so much of the text", "0.9995", 0, 1},
                      {"max_characters", "integer?", "and no more than so many", "4096", 0,
                       0x110000},
                      {"shares", "list?", "shares of the vocabulary by source",
                       "every byte weighs the same"},
                      {"special_tokens", "list?", "the first ids, in this order",
                       "<think> </think> <start> <end> <pad> <unk>"}}}},
               .returns = {{"", "TokenizerTrainer", ""}},
               .call = trainer},
              {.name = "TokenizerTrainer:add",
               .doc = "Counts the words of one document.",
               .args = {{"text", "string", ""},
                        {"share", "integer?", "which of the shares it belongs to", "1", 1}},
               .returns = {},
               .call = trainer_add},
              {.name = "TokenizerTrainer:add_source",
               .doc = "Counts documents spread over a source; bad ones are passed over.",
               .args = {{"source", "Source", ""},
                        {"limit_bytes", "number?", "stop after about so much", "all", 0, HUGE_VAL,
                         "bytes"},
                        {"limit_documents", "number?", "stop after so many", "all", 0},
                        {"share", "integer?", "which of the shares it belongs to", "1", 1}},
               .returns = {{"", "integer", "bytes added"}},
               .call = trainer_add_source,
               .errors = "when an endless source is given without limit"},
              {.name = "TokenizerTrainer:train",
               .doc = "Finds the merges of everything added so far.",
               .args = {},
               .returns = {result},
               .call = trainer_train},
              {.name = "TokenizerTrainer:bytes",
               .doc = "Returns the bytes added.",
               .args = {},
               .returns = {{"", "integer", ""}},
               .call = trainer_bytes},
              {.name = "TokenizerTrainer:documents",
               .doc = "Returns the documents added.",
               .args = {},
               .returns = {{"", "integer", ""}},
               .call = trainer_documents},
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
          },
      .classes = {&class_of<const Tokenizer>(), &class_of<StreamDecoder>(),
                  &class_of<BpeTrainer>()}};
}

}  // namespace rmkv::lua
