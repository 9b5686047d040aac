// Modules rmkv.json and rmkv.toml: plain data to text and back.
#include "bindings/bind.h"
#include "bindings/lua_value.h"
#include "bindings/modules.h"
#include "core/base/error.h"
#include "core/base/file.h"
#include "core/base/json.h"
#include "core/base/toml.h"

namespace rmkv::lua {

namespace {

const Field kIndent{
    "options", "options?",
    "",        "",
    -HUGE_VAL, HUGE_VAL,
    "",        {{"indent", "integer?", "blanks per level; one line when left out", "", 0, 16}}};

int indent_of(Call& c, int index) {
  Table options = c.table(index);
  const Value* indent = find(options, "indent");
  return indent ? static_cast<int>(indent->as_int()) : -1;
}

int json_encode(Call& c) {
  return c.push(write_json(c.value(1), indent_of(c, 2)));
}
int json_decode(Call& c) {
  return c.push(parse_json(c.text(1), c.string(2, "json")));
}
int json_read(Call& c) {
  return c.push(parse_json(read_file(c.string(1)), c.string(1)));
}

int json_write(Call& c) {
  write_file_atomic(c.string(1), write_json(c.value(2), indent_of(c, 3)) + "\n");
  return 0;
}

int json_list(Call& c) {
  if (!c.has(1))
    lua_newtable(c.L);
  else
    lua_pushvalue(c.L, 1);
  mark_list(c.L);
  return 1;
}

int toml_encode(Call& c) {
  return c.push(write_toml(c.table(1)));
}
int toml_decode(Call& c) {
  return c.push(Value(parse_toml(c.text(1), c.string(2, "toml"))));
}
int toml_read(Call& c) {
  return c.push(Value(read_toml(c.string(1))));
}

int toml_write(Call& c) {
  write_file_atomic(c.string(1), write_toml(c.table(2)));
  return 0;
}

}  // namespace

Module json_module() {
  return {
      .name = "rmkv.json",
      .doc = "JSON text to plain tables and back",
      .functions = {
          {.name = "rmkv.json.encode",
           .doc = "Writes plain data as JSON; keys are sorted, NaN and infinities become null.",
           .args = {{"value", "value", ""}, kIndent},
           .returns = {{"", "string", ""}},
           .call = json_encode,
           .errors = "on functions, objects, mixed keys and cycles"},
          {.name = "rmkv.json.decode",
           .doc =
               "Reads JSON; null becomes nil, integers beyond 2^53 become strings \"int64:...\".",
           .args = {{"text", "string", ""},
                    {"name", "string?", "opens the message of an error", "json"}},
           .returns = {{"", "value", ""}},
           .call = json_decode,
           .errors = "on malformed text, with its place"},
          {.name = "rmkv.json.read",
           .doc = "Reads a JSON file.",
           .args = {{"path", "string", ""}},
           .returns = {{"", "value", ""}},
           .call = json_read,
           .errors = "when the file is missing or malformed"},
          {.name = "rmkv.json.write",
           .doc = "Writes a JSON file atomically.",
           .args = {{"path", "string", ""}, {"value", "value", ""}, kIndent},
           .returns = {},
           .call = json_write,
           .errors = "when the file cannot be written"},
          {.name = "rmkv.json.list",
           .doc = "Marks a table as a list, so that it is written as [] even when it is empty.",
           .args = {{"list", "table?", "", "{}"}},
           .returns = {{"", "table", "the same table"}},
           .call = json_list},
      }};
}

Module toml_module() {
  return {.name = "rmkv.toml",
          .doc = "TOML text to plain tables and back",
          .functions = {
              {.name = "rmkv.toml.encode",
               .doc = "Writes a table as TOML; keys are sorted.",
               .args = {{"table", "table", ""}},
               .returns = {{"", "string", ""}},
               .call = toml_encode,
               .errors = "on what TOML cannot hold"},
              {.name = "rmkv.toml.decode",
               .doc = "Reads TOML.",
               .args = {{"text", "string", ""},
                        {"name", "string?", "opens the message of an error", "toml"}},
               .returns = {{"", "table", ""}},
               .call = toml_decode,
               .errors = "on malformed text, with line and column"},
              {.name = "rmkv.toml.read",
               .doc = "Reads a TOML file.",
               .args = {{"path", "string", ""}},
               .returns = {{"", "table", ""}},
               .call = toml_read,
               .errors = "when the file is missing or malformed"},
              {.name = "rmkv.toml.write",
               .doc = "Writes a TOML file atomically.",
               .args = {{"path", "string", ""}, {"table", "table", ""}},
               .returns = {},
               .call = toml_write,
               .errors = "when the file cannot be written"},
          }};
}

}  // namespace rmkv::lua
