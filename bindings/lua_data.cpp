// Module rmkv.data: sources of documents and the streams of batches made from them.
#include <filesystem>

#include "bindings/host.h"
#include "bindings/lua_batch.h"
#include "bindings/lua_source.h"
#include "bindings/modules.h"
#include "bindings/objects.h"
#include "bindings/runner.h"
#include "core/base/error.h"
#include "core/data/list_source.h"
#include "core/data/open_source.h"
#include "core/data/parquet_source.h"

namespace rmkv::lua {

template <>
const Class& class_of<const DocumentSource>() {
  static const Class type{"Source", "documents by index: a pure function from a number to text"};
  return type;
}
template <>
const Class& class_of<BoundStream>() {
  static const Class type{
      "Stream", "endless training batches from weighted sources, resumable from a few integers"};
  return type;
}
template <>
const Class& class_of<BoundEvaluationStream>() {
  static const Class type{"EvaluationStream", "a fixed finite pass over documents"};
  return type;
}

namespace {

int open(Call& c) {
  return c.push_object(open_source(c.string(1), c.table(2)));
}

int lua(Call& c) {
  Table options = c.table(2);
  std::string given = c.string(1), path = given;
  // A bare name is one of the sources that come with the program.
  std::string built_in = c.host.options().root + "/recipes/sources/" + given + ".lua";
  if (given.find_first_of("/.") == std::string::npos && std::filesystem::exists(built_in))
    path = built_in;
  const Value *name = find(options, "name"), *seed = find(options, "seed"),
              *inner = find(options, "options");
  std::string source_name = name ? name->as_string() : std::filesystem::path(path).stem().string();
  return c.push_object(std::shared_ptr<const DocumentSource>(
      std::make_shared<LuaSource>(source_name, path, c.host.options().root,
                                  seed ? seed->as_int() : 1, inner ? inner->as_table() : Table{})));
}

int documents(Call& c) {
  std::vector<std::string> texts;
  int size = static_cast<int>(lua_objlen(c.L, 1));
  for (int i = 1; i <= size; ++i) {
    lua_rawgeti(c.L, 1, i);
    if (lua_type(c.L, -1) != LUA_TSTRING)
      fail("texts[" + std::to_string(i) + "]", describe(c.L, lua_gettop(c.L)), "a text");
    texts.push_back(c.string(lua_gettop(c.L)));
    lua_pop(c.L, 1);
  }
  if (texts.empty()) fail("texts", "an empty list", "at least one text");
  return c.push_object(std::shared_ptr<const DocumentSource>(
      std::make_shared<ListSource>(c.string(2, "documents"), texts)));
}

const DocumentSource& source(const Call& c) {
  return c.object<const DocumentSource>(1);
}

int source_name(Call& c) {
  return c.push(source(c).name());
}

int source_count(Call& c) {
  uint64_t count = source(c).document_count();
  return count >= DocumentSource::kUncounted ? c.push_nil() : c.push(count);
}

int source_document(Call& c) {
  auto index = static_cast<uint64_t>(c.integer(2));
  auto id = source(c).nth(index - 1);
  if (!id) fail("index", std::to_string(index), "a document of the source");
  return c.push(source(c).document(*id).text);
}

int source_manifest(Call& c) {
  return c.push(Value(source(c).manifest()));
}
int source_fingerprint(Call& c) {
  return c.push(source(c).fingerprint());
}

// { {source =, weight =}, … } at the key "sources".
std::vector<StreamSource> stream_sources(const Call& c, std::vector<std::string>& names) {
  std::vector<StreamSource> sources;
  lua_getfield(c.L, 1, "sources");
  int list = lua_gettop(c.L);
  int size = static_cast<int>(lua_objlen(c.L, list));
  for (int i = 1; i <= size; ++i) {
    std::string where = "options.sources[" + std::to_string(i) + "]";
    lua_rawgeti(c.L, list, i);
    int entry = lua_gettop(c.L);
    StreamSource item;
    if (c.is<const DocumentSource>(entry)) {
      item.source = c.shared<const DocumentSource>(entry);
    } else if (lua_istable(c.L, entry)) {
      lua_pushnil(c.L);
      while (lua_next(c.L, entry)) {
        std::string key = lua_type(c.L, -2) == LUA_TSTRING ? lua_tostring(c.L, -2)
                                                           : describe(c.L, lua_gettop(c.L) - 1);
        if (key == "source")
          item.source = c.shared<const DocumentSource>(lua_gettop(c.L));
        else if (key == "weight")
          item.weight = c.number(lua_gettop(c.L));
        else
          fail_because(where, unknown_name_text("key", key, {"source", "weight"}));
        lua_pop(c.L, 1);
      }
    }
    if (!item.source) fail(where, describe(c.L, entry), "a Source, or { source =, weight = }");
    if (!(item.weight > 0))
      fail(where + ".weight", std::to_string(item.weight), "a number above 0");
    names.push_back(item.source->name());
    sources.push_back(item);
    lua_settop(c.L, entry - 1);
  }
  lua_settop(c.L, list - 1);
  if (sources.empty()) fail("options.sources", "an empty list", "at least one source");
  return sources;
}

// The plain options of a stream: everything but the objects.
Table plain_options(const Call& c, std::initializer_list<const char*> keys) {
  Table table;
  for (const char* key : keys) {
    lua_getfield(c.L, 1, key);
    Value value = c.value(lua_gettop(c.L));
    if (!value.is_nil()) table[key] = value;
    lua_pop(c.L, 1);
  }
  return table;
}

TokenizerPtr option_tokenizer(const Call& c) {
  lua_getfield(c.L, 1, "tokenizer");
  TokenizerPtr tokenizer = c.shared<const Tokenizer>(lua_gettop(c.L));
  lua_pop(c.L, 1);
  return tokenizer;
}

int64_t option_segment(const Call& c) {
  lua_getfield(c.L, 1, "segment_tokens");
  int64_t tokens = c.integer(lua_gettop(c.L));
  lua_pop(c.L, 1);
  return tokens;
}

int stream(Call& c) {
  std::vector<std::string> names;
  std::vector<StreamSource> sources = stream_sources(c, names);
  StreamOptions options = read_stream_options(
      plain_options(c, {"lanes", "seed", "pack_tokens", "packing", "unit", "exhaustion", "epochs",
                        "validation_share", "threads", "prefetch_tokens", "bad_share"}));
  return c.push_object(std::shared_ptr<BoundStream>(new BoundStream{
      TokenStream(std::move(sources), option_tokenizer(c), options), option_segment(c), names}));
}

int64_t segment_option(const Call& c, int64_t usual) {
  Table options = c.table(2);
  const Value* tokens = find(options, "segment_tokens");
  return tokens ? tokens->as_int() : usual;
}

int64_t segments_option(const Call& c, int64_t usual) {
  Table options = c.table(2);
  const Value* segments = find(options, "segments");
  return segments ? segments->as_int() : usual;
}

int stream_next(Call& c) {
  auto& bound = c.object<BoundStream>(1);
  Table options = c.table(2);
  if (const Value* weights = find(options, "weights")) {
    std::vector<double> list;
    for (const Value& weight : weights->as_list()) list.push_back(weight.as_double());
    bound.stream.set_weights(list);
  }
  const Value* reset = find(options, "reset_tokens");
  Batch batch = bound.stream.next(segments_option(c, 1), segment_option(c, bound.segment_tokens),
                                  reset ? reset->as_int() : 0);
  return batch.lanes == 0 ? c.absent("the stream is at its end") : c.push_new(std::move(batch));
}

int write_parquet(Call& c) {
  Table options = c.table(3);
  const Value *rows = find(options, "group_rows"), *codec = find(options, "codec");
  TextTable table;
  Value given = c.value(2);
  for (const auto& [name, column] : given.as_table()) {
    table.names.push_back(name);
    std::vector<std::string> texts;
    for (const Value& text : column.as_list()) texts.push_back(text.as_string());
    table.columns.push_back(std::move(texts));
  }
  rmkv::write_parquet(c.string(1), table, rows ? rows->as_int() : 1000,
                      codec ? codec->as_string() : "zstd");
  return 0;
}

int stream_cursor(Call& c) {
  return c.push(Value(c.object<BoundStream>(1).stream.cursor()));
}

int stream_seek(Call& c) {
  c.object<BoundStream>(1).stream.seek(c.table(2));
  return 0;
}

int stream_manifest(Call& c) {
  return c.push(Value(c.object<BoundStream>(1).stream.manifest()));
}
int stream_report(Call& c) {
  return c.push(Value(c.object<BoundStream>(1).stream.report()));
}
int stream_tokens(Call& c) {
  return c.push(c.object<BoundStream>(1).stream.served_tokens());
}

int evaluation(Call& c) {
  std::vector<std::string> names;
  std::vector<StreamSource> sources = stream_sources(c, names);
  auto options = read_evaluation_stream_options(
      plain_options(c, {"lanes", "split", "validation_share", "max_tokens", "threads"}));
  return c.push_object(std::shared_ptr<BoundEvaluationStream>(
      new BoundEvaluationStream{EvaluationStream(std::move(sources), option_tokenizer(c), options),
                                option_segment(c), names}));
}

int evaluation_next(Call& c) {
  auto& bound = c.object<BoundEvaluationStream>(1);
  Batch batch;
  if (!bound.stream.next(segments_option(c, 1), segment_option(c, bound.segment_tokens), batch))
    return c.absent("the pass is over");
  return c.push_new(std::move(batch));
}

int evaluation_rewind(Call& c) {
  c.object<BoundEvaluationStream>(1).stream.rewind();
  return 0;
}

int evaluation_report(Call& c) {
  return c.push(Value(c.object<BoundEvaluationStream>(1).stream.report()));
}

}  // namespace

Module data_module() {
  const Field integer{"", "integer", ""};
  const Field sources{"sources", "list",
                      "Sources, or { source =, weight = }: weights are shares of tokens"};
  const Field tokenizer{"tokenizer", "Tokenizer", ""};
  const Field segment{"segment_tokens", "integer", "", "", 1, 1 << 24, "tokens"};
  const Field lanes{"lanes", "integer?", "documents read side by side", "8", 1, 65536};
  const Field threads{"threads", "integer?", "that read and encode ahead; 0: none", "1", 0, 256};
  const Field share{"validation_share",
                    "number?",
                    "of the documents, held out by a hash of their key",
                    "0",
                    0,
                    0.5};
  const Field next_options{
      "options",
      "options?",
      "",
      "",
      -HUGE_VAL,
      HUGE_VAL,
      "",
      {{"segments", "integer?", "", "1", 1, 1 << 20},
       {"segment_tokens", "integer?", "", "that of the stream", 1, 1 << 24, "tokens"}}};
  const double none = -HUGE_VAL, all = HUGE_VAL;
  Module module{
      .name = "rmkv.data",
      .doc = "sources of documents and the streams of batches made from them",
      .functions =
          {
              {.name = "rmkv.data.open",
               .doc = "Opens a file, a folder or a data set of the hub as a source: text, JSON "
                      "lines, CSV, TSV "
                      "(also .gz, .zst), parquet, .npy, .bin, hub:owner/name[@rev][:config/split].",
               .args = {{"path", "string", ""},
                        {"options", "table?",
                         "name; text: split (pieces, file, paragraphs), document_bytes, "
                         "special_tokens; JSON lines: text, prompt (templates with {field}), "
                         "mask_prompt, special_tokens"}},
               .returns = {{"", "Source", ""}},
               .call = open,
               .errors = "when nothing is there or all is empty, and on an unknown option"},
              {.name = "rmkv.data.lua",
               .doc = "Opens a Lua source: a file that returns { document = function(index, seed, "
                      "options) … }, or the name of a built-in one.",
               .args = {{"path", "string", "\"storyworld\" or a file"},
                        {"options",
                         "options?",
                         "",
                         "",
                         none,
                         all,
                         "",
                         {{"name", "string?", "", "of the file"},
                          {"seed", "integer?", "", "1", 0, 9007199254740992.0},
                          {"options", "table?", "replace the source's defaults", "{}"}}}},
               .returns = {{"", "Source", ""}},
               .call = lua,
               .errors = "when the file fails or is no source"},
              {.name = "rmkv.data.documents",
               .doc = "Makes a source of texts in memory.",
               .args = {{"texts", "list", ""}, {"name", "string?", "", "documents"}},
               .returns = {{"", "Source", ""}},
               .call = documents,
               .errors = "when the list is empty"},
              {.name = "rmkv.data.write_parquet",
               .doc = "Writes columns of texts as a parquet file.",
               .args = {{"path", "string", ""},
                        {"columns", "table", "{ name = list of texts, … }"},
                        {"options",
                         "options?",
                         "",
                         "",
                         none,
                         all,
                         "",
                         {{"group_rows", "integer?", "rows read together", "1000", 1},
                          {"codec", "string?", "zstd, snappy, gzip, brotli, lz4_raw, uncompressed",
                           "\"zstd\""}}}},
               .returns = {},
               .call = write_parquet,
               .errors = "when columns differ in length, and where Arrow is not there"},
              {.name = "rmkv.data.stream",
               .doc = "Makes the endless training stream.",
               .args = {{"options",
                         "options",
                         "",
                         "",
                         none,
                         all,
                         "",
                         {sources,
                          tokenizer,
                          segment,
                          lanes,
                          {"seed", "integer?", "", "1", 0, 9007199254740992.0},
                          {"pack_tokens", "integer?",
                           "shorter documents are joined up to this; 0: never", "512", 0, all,
                           "tokens"},
                          {"packing",
                           "string?",
                           "join documents in order, or put those together that fit best",
                           "\"join\"",
                           none,
                           all,
                           "",
                           {},
                           {"join", "best_fit"}},
                          {"unit",
                           "string?",
                           "what weights are shares of",
                           "\"tokens\"",
                           none,
                           all,
                           "",
                           {},
                           {"tokens", "documents", "bytes"}},
                          {"exhaustion",
                           "string?",
                           "at the end of a source: repeat it, stop all, or let the others go on",
                           "\"repeat\"",
                           none,
                           all,
                           "",
                           {},
                           {"repeat", "stop", "renormalise"}},
                          {"epochs", "integer?", "of each source, when it is not repeated", "1", 1,
                           1 << 30},
                          share,
                          threads,
                          {"prefetch_tokens", "integer?", "read ahead, per source, about",
                           "1048576", 0, all, "tokens"},
                          {"bad_share", "number?",
                           "of the documents may be bad before the stream fails", "0.01", 0, 1}}}},
               .returns = {{"", "Stream", ""}},
               .call = stream,
               .errors = "when a source is empty or names repeat"},
              {.name = "rmkv.data.evaluation",
               .doc = "Makes a fixed finite pass over documents.",
               .args = {{"options",
                         "options",
                         "",
                         "",
                         none,
                         all,
                         "",
                         {sources,
                          tokenizer,
                          segment,
                          lanes,
                          {"split",
                           "string?",
                           "",
                           "\"all\"",
                           none,
                           all,
                           "",
                           {},
                           {"all", "training", "validation"}},
                          share,
                          {"max_tokens", "integer?",
                           "no new document after so many; 0: all there are", "0", 0, all,
                           "tokens"},
                          threads}}},
               .returns = {{"", "EvaluationStream", ""}},
               .call = evaluation,
               .errors = "when the split holds no document"},
              {.name = "Source:name",
               .doc = "Returns the name.",
               .args = {},
               .returns = {{"", "string", ""}},
               .call = source_name},
              {.name = "Source:count",
               .doc = "Returns the number of documents.",
               .args = {},
               .returns = {{"", "integer?",
                            "nil when there is no end, or only a pass over the data would tell"}},
               .call = source_count},
              {.name = "Source:document",
               .doc = "Returns the text of a document.",
               .args = {{"index", "integer", "", "", 1}},
               .returns = {{"", "string", ""}},
               .call = source_document,
               .errors = "beyond the last one, and on a damaged one"},
              {.name = "Source:manifest",
               .doc = "Returns what the documents depend on.",
               .args = {},
               .returns = {{"", "table", ""}},
               .call = source_manifest},
              {.name = "Source:fingerprint",
               .doc = "Returns the hash of the manifest.",
               .args = {},
               .returns = {{"", "string", ""}},
               .call = source_fingerprint},
              {.name = "Stream:next",
               .doc = "Returns the next segments of every lane.",
               .args = {next_options},
               .returns = {{"", "Batch?", "nil at the end of a stream that has one"},
                           {"message", "string?", ""}},
               .call = stream_next,
               .errors = "when too many documents are bad"},
              {.name = "Stream:cursor",
               .doc = "Returns where the stream stands after the last batch.",
               .args = {},
               .returns = {{"", "table", "a few integers"}},
               .call = stream_cursor},
              {.name = "Stream:seek",
               .doc = "Goes to a cursor; reads no more than the documents that lanes are in.",
               .args = {{"cursor", "table", "from cursor()"}},
               .returns = {},
               .call = stream_seek,
               .errors = "when lanes, sources or seed are others"},
              {.name = "Stream:manifest",
               .doc = "Returns what the order depends on: sources with files and hashes, weights, "
                      "tokenizer, options.",
               .args = {},
               .returns = {{"", "table", ""}},
               .call = stream_manifest},
              {.name = "Stream:report",
               .doc = "Returns counts so far: tokens, padding, real shares, bad documents.",
               .args = {},
               .returns = {{"", "table", ""}},
               .call = stream_report},
              {.name = "Stream:tokens",
               .doc = "Returns the tokens served.",
               .args = {},
               .returns = {integer},
               .call = stream_tokens},
              {.name = "EvaluationStream:next",
               .doc = "Returns the next segments of all lanes.",
               .args = {next_options},
               .returns = {{"", "Batch?", "nil when the pass is over"}, {"message", "string?", ""}},
               .call = evaluation_next},
              {.name = "EvaluationStream:rewind",
               .doc = "Begins the pass again.",
               .args = {},
               .returns = {},
               .call = evaluation_rewind},
              {.name = "EvaluationStream:report",
               .doc = "Returns counts so far.",
               .args = {},
               .returns = {{"", "table", ""}},
               .call = evaluation_report},
          },
      .classes = {&class_of<const DocumentSource>(), &class_of<BoundStream>(),
                  &class_of<BoundEvaluationStream>(), &class_of<Batch>()}};
  for (Function& function : batch_functions()) module.functions.push_back(std::move(function));
  return module;
}

}  // namespace rmkv::lua
