// Classes Stream and EvaluationStream of the module rmkv.data: batches from weighted sources.
#include <algorithm>

#include "bindings/lua_data.h"
#include "bindings/lua_value.h"
#include "bindings/objects.h"
#include "core/base/error.h"

namespace rmkv::lua {

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

// One weight a source, from a list in their order or a table by their names.
std::vector<double> stream_weights(const Value& given, const TokenStream& stream) {
  std::vector<double> weights;
  if (given.is_list()) {
    for (const Value& weight : given.as_list()) weights.push_back(weight.as_double());
    return weights;
  }
  const Table& by_name = given.as_table();
  Table report = stream.report();
  std::vector<std::string> names;
  for (const Value& source : find(report, "sources")->as_list())
    names.push_back(find(source.as_table(), "name")->as_string());
  for (const auto& [name, weight] : by_name) {
    if (std::find(names.begin(), names.end(), name) == names.end())
      fail_because("weights", unknown_name_text("source", name, names));
  }
  for (const std::string& name : names) {
    const Value* weight = find(by_name, name);
    if (weight == nullptr) fail("weights", "none for " + name, "one for each source");
    weights.push_back(weight->as_double());
  }
  return weights;
}

int stream_set_weights(Call& c) {
  TokenStream& stream = c.object<BoundStream>(1).stream;
  stream.set_weights(stream_weights(c.value(2), stream));
  return 0;
}

int stream_next(Call& c) {
  auto& bound = c.object<BoundStream>(1);
  Table options = c.table(2);
  if (const Value* weights = find(options, "weights"))
    bound.stream.set_weights(stream_weights(*weights, bound.stream));
  const Value* reset = find(options, "reset_tokens");
  Batch batch = bound.stream.next(segments_option(c, 1), segment_option(c, bound.segment_tokens),
                                  reset ? reset->as_int() : 0);
  return batch.lanes == 0 ? c.absent("the stream is at its end") : c.push_new(std::move(batch));
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

std::vector<Function> stream_functions() {
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
  Field train_options = next_options;
  train_options.keys.push_back({"weights", "table?",
                                "shares from here on: a list in the order of the sources, or "
                                "{ name = weight }; part of the cursor",
                                "as before"});
  train_options.keys.push_back({"reset_tokens", "integer?",
                                "memory is also reset after so many tokens of a text; 0: only "
                                "where a text begins",
                                "0", 0, 1 << 30, "tokens"});
  const double none = -HUGE_VAL, all = HUGE_VAL;
  return {
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
                  {"pack_tokens", "integer?", "shorter documents are joined up to this; 0: never",
                   "512", 0, all, "tokens"},
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
                  {"prefetch_tokens", "integer?", "read ahead, per source, about", "1048576", 0,
                   all, "tokens"},
                  {"bad_share", "number?", "of the documents may be bad before the stream fails",
                   "0.01", 0, 1}}}},
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
                  {"max_tokens", "integer?", "no new document after so many; 0: all there are", "0",
                   0, all, "tokens"},
                  threads}}},
       .returns = {{"", "EvaluationStream", ""}},
       .call = evaluation,
       .errors = "when the split holds no document"},
      {.name = "Stream:next",
       .doc = "Returns the next segments of every lane.",
       .args = {train_options},
       .returns = {{"", "Batch?", "nil at the end of a stream that has one"},
                   {"message", "string?", ""}},
       .call = stream_next,
       .errors = "when too many documents are bad"},
      {.name = "Stream:set_weights",
       .doc =
           "Sets other shares from here on; what was served before stays settled by the old ones.",
       .args = {{"weights", "table", "a list in the order of the sources, or { name = weight }"}},
       .returns = {},
       .call = stream_set_weights,
       .errors = "when a source has none, or one that is not above 0"},
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
  };
}

}  // namespace rmkv::lua
