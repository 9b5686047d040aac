// The class TokenizerTrainer of the module rmkv.tokenizer.
#include <algorithm>

#include "bindings/lua_tokenizer.h"
#include "bindings/objects.h"
#include "core/base/cancel.h"
#include "core/base/error.h"
#include "core/base/option_reader.h"
#include "core/data/document_order.h"

namespace rmkv::lua {

template <>
const Class& class_of<BpeTrainer>() {
  static const Class type{"TokenizerTrainer",
                          "counts the words of documents and finds their merges"};
  return type;
}

namespace {

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

std::vector<Function> tokenizer_trainer_functions() {
  const Field result{"", "Tokenizer", ""};
  return {
      {.name = "rmkv.tokenizer.trainer",
       .doc = "Opens the training of a byte-level BPE vocabulary.",
       .args = {{"options",
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
                  {"max_characters", "integer?", "and no more than so many", "4096", 0, 0x110000},
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
                {"limit_bytes", "number?", "stop after about so much", "all", 0, HUGE_VAL, "bytes"},
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
  };
}

}  // namespace rmkv::lua
