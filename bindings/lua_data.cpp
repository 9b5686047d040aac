// Module rmkv.data: sources of documents and the streams of batches made from them.
#include <filesystem>

#include "bindings/host.h"
#include "bindings/lua_batch.h"
#include "bindings/lua_data.h"
#include "bindings/lua_source.h"
#include "bindings/modules.h"
#include "bindings/objects.h"
#include "bindings/runner.h"
#include "core/base/error.h"
#include "core/data/filtered_source.h"
#include "core/data/list_source.h"
#include "core/data/manifest.h"
#include "core/data/open_source.h"
#include "core/data/parquet_source.h"

namespace rmkv::lua {

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

int filtered(Call& c) {
  Table options = c.table(3);
  const Value* cache = find(options, "cache");
  Value filters = c.value(2);
  if (!filters.is_list()) fail("filters", filters.type_name(), "a list of names and tables");
  return c.push_object(std::shared_ptr<const DocumentSource>(
      std::make_shared<FilteredSource>(c.shared<const DocumentSource>(1), filters.as_list(),
                                       cache ? cache->as_string() : default_cache_folder())));
}

int require_same(Call& c) {
  require_same_data(c.table(1), c.table(2));
  return 0;
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

}  // namespace

Module data_module() {
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
               .args =
                   {{"path", "string", ""},
                    {"options", "table?",
                     "name; cache; filters (see rmkv.data.filtered); watch = true and journal = "
                     "FILE: files that come into the folder are read before any other again; text: "
                     "split (pieces, file, paragraphs), document_bytes, "
                     "special_tokens; rows: text, prompt (templates with {field}), "
                     "mask_prompt, parts, messages, special_tokens"}},
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
              {.name = "rmkv.data.filtered",
               .doc =
                   "Puts filters before a source: documents that a rule drops are passed over and "
                   "counted; which ones is decided by the document alone.",
               .args = {{"source", "Source", ""},
                        {"filters", "list",
                         "names or { name =, thresholds … }: gopher, gopher_quality, "
                         "gopher_repetition, c4, fineweb, length { min, max, unit }, dedup"},
                        {"options",
                         "options?",
                         "",
                         "",
                         none,
                         all,
                         "",
                         {{"cache", "string?", "folder for the scan of dedup",
                           "that of the user"}}}},
               .returns = {{"", "Source", ""}},
               .call = filtered,
               .errors =
                   "on an unknown filter or threshold, and for dedup of a source without end"},
              {.name = "rmkv.data.require_same",
               .doc = "Compares two manifests as they are in Lua.",
               .args = {{"saved", "table", "of the run so far"}, {"current", "table", ""}},
               .returns = {},
               .call = require_same,
               .errors = "when they differ: each file that is missing, new or changed is named"},
          },
      .classes = {&class_of<const DocumentSource>(), &class_of<BoundStream>(),
                  &class_of<BoundEvaluationStream>(), &class_of<Batch>()}};
  for (auto* part : {source_functions, stream_functions, batch_functions}) {
    for (Function& function : part()) module.functions.push_back(std::move(function));
  }
  return module;
}

}  // namespace rmkv::lua
