// Module rmkv.checkpoint: run folders, checkpoints, models for inference (core/checkpoint).
#include "bindings/load_options.h"
#include "bindings/lua_value.h"
#include "bindings/modules.h"
#include "bindings/objects.h"
#include "core/base/error.h"
#include "core/base/file.h"
#include "core/base/option_reader.h"
#include "core/checkpoint/model_loader.h"
#include "core/checkpoint/run_folder.h"
#include "core/tensor/torch.h"

namespace rmkv::lua {

template <>
const Class& class_of<RunFolder>() {
  static const Class type{"RunFolder", "a run's folder: its checkpoints and which of them to keep"};
  return type;
}

namespace {

// The handle of class T under `key` of the table at `index`, or null.
template <typename T>
std::shared_ptr<T> part(Call& c, int index, const char* key, bool required = false) {
  lua_getfield(c.L, index, key);
  Handle* handle = handle_at(c.L, -1);
  bool absent = lua_isnil(c.L, -1);
  std::string found = describe(c.L, -1);
  lua_pop(c.L, 1);
  if (absent && !required) return nullptr;
  if (!handle || handle->type != &class_of<T>() || !handle->object) {
    fail(std::string("parts.") + key, found, "a " + class_of<T>().name);
  }
  return std::static_pointer_cast<T>(handle->object);
}

Table table_part(Call& c, int index, const char* key) {
  lua_getfield(c.L, index, key);
  Table table;
  if (!lua_isnil(c.L, -1)) table = to_value(c.L, -1, key).as_table();
  lua_pop(c.L, 1);
  return table;
}

int run_folder(Call& c) {
  return c.push_new(RunFolder(c.string(1)));
}

int save(Call& c) {
  auto& folder = c.object<RunFolder>(1);
  CheckpointContent content;
  auto model = part<LanguageModel>(c, 2, "model", true);
  content.config = model->config();
  content.model = model->parameters().named_values();
  if (auto optimizer = part<Optimizer>(c, 2, "optimizer")) {
    content.optimizer = optimizer->state();
    content.cursor["optimizer"] = optimizer->options();
  }
  if (auto trainer = part<Trainer>(c, 2, "trainer")) content.state = trainer->state();
  if (auto stream = part<BoundStream>(c, 2, "stream")) {
    content.cursor["stream"] = stream->stream.cursor();
    content.cursor["manifest"] = stream->stream.manifest();
  }
  content.facts = table_part(c, 2, "facts");
  Table options = table_part(c, 2, "options");
  RotationOptions rotation;
  bool is_final = false;
  double loss = NAN;
  OptionReader reader(options, "RunFolder:save options");
  reader.read("keep_last", rotation.keep_last, 1);
  reader.read("keep_every", rotation.keep_every, 0);
  reader.read("final", is_final);
  reader.read("loss", loss);
  reader.finish();
  return c.push(folder.save(std::move(content), rotation, is_final,
                            std::isnan(loss) ? std::nullopt : std::optional<double>(loss)));
}

int newest(Call& c) {
  ResumeFacts facts = c.object<RunFolder>(1).resume_facts();
  if (facts.newest) {
    c.push(facts.newest->path);
  } else {
    c.push_nil();
  }
  std::vector<std::string> damaged;
  for (const CheckpointEntry& entry : facts.damaged) {
    damaged.push_back(entry.path + ": " + entry.damage);
  }
  c.push(damaged);
  return 2;
}

int list(Call& c) {
  List rows;
  for (const CheckpointEntry& entry : c.object<RunFolder>(1).list()) {
    rows.push_back(Table{{"name", entry.name},
                         {"path", entry.path},
                         {"mode", entry.mode},
                         {"step", entry.step},
                         {"final", entry.is_final},
                         {"damage", entry.damage},
                         {"facts", entry.facts}});
  }
  return c.push(Value(rows));
}

int facts(Call& c) {
  return c.push(Value(checkpoint_facts(c.string(1))));
}

int damage(Call& c) {
  std::string reason = is_folder(c.string(1)) ? checkpoint_damage(c.string(1)) : "no such folder";
  return reason.empty() ? c.push_nil() : c.push(reason);
}

int config(Call& c) {
  return c.push(Value(checkpoint_config(c.string(1))));
}

int restore(Call& c) {
  CheckpointContent content = load_checkpoint(c.string(1));
  part<LanguageModel>(c, 2, "model", true)->parameters().load(content.model);
  if (auto optimizer = part<Optimizer>(c, 2, "optimizer")) {
    optimizer->load_state(content.optimizer);
  }
  if (auto trainer = part<Trainer>(c, 2, "trainer")) trainer->load_state(content.state);
  return c.push(Value(content.cursor));
}

int load(Call& c) {
  LoadedModel loaded =
      load_model(c.string(1), load_options(c.table(2), "rmkv.checkpoint.load_model"));
  lua_newtable(c.L);
  c.push_object(std::shared_ptr<LanguageModel>(std::move(loaded.model)));
  lua_setfield(c.L, -2, "model");
  if (!loaded.tokenizer_path.empty()) {
    c.push_object(load_tokenizer(loaded.tokenizer_path));
    lua_setfield(c.L, -2, "tokenizer");
  }
  c.push(loaded.path);
  lua_setfield(c.L, -2, "path");
  c.push(Value(loaded.facts));
  lua_setfield(c.L, -2, "facts");
  c.push(loaded.format);
  lua_setfield(c.L, -2, "format");
  return 1;
}

}  // namespace

Module checkpoint_module() {
  return {
      .name = "rmkv.checkpoint",
      .doc = "run folders, checkpoints, models for inference",
      .functions =
          {
              {.name = "rmkv.checkpoint.run",
               .doc = "Opens a run's folder; nothing is created before the first save.",
               .args = {{"path", "string", ""}},
               .returns = {{"", "RunFolder", ""}},
               .call = run_folder},
              {.name = "RunFolder:save",
               .doc =
                   "Saves a checkpoint whole or not at all, points `latest` (and `best`) at it and "
                   "drops old ones.",
               .args = {{"parts", "table",
                         "{model, optimizer, trainer, stream, facts = {mode, step, ...}, options = "
                         "{keep_last, keep_every, final, loss}}"}},
               .returns = {{"", "string", "the checkpoint's path"}},
               .call = save,
               .errors = "when the disk is full or the folder read-only; what was there stays"},
              {.name = "RunFolder:newest",
               .doc = "Finds the newest whole checkpoint and names the damaged ones passed over.",
               .args = {},
               .returns = {{"path", "string?", ""}, {"damaged", "list", "\"path: reason\""}},
               .call = newest},
              {.name = "RunFolder:list",
               .doc = "Lists all checkpoints, oldest first.",
               .args = {},
               .returns = {{"", "list", "of {name, path, mode, step, final, damage, facts}"}},
               .call = list},
              {.name = "rmkv.checkpoint.facts",
               .doc = "Returns the facts saved with a checkpoint: mode, step, tokens and so on.",
               .args = {{"path", "string", ""}},
               .returns = {{"", "table", ""}},
               .call = facts},
              {.name = "rmkv.checkpoint.damage",
               .doc = "Returns what is wrong with a checkpoint, or nil when every hash fits.",
               .args = {{"path", "string", ""}},
               .returns = {{"", "string?", ""}},
               .call = damage},
              {.name = "rmkv.checkpoint.config",
               .doc = "Returns the model configuration of a checkpoint.",
               .args = {{"path", "string", ""}},
               .returns = {{"", "table", ""}},
               .call = config},
              {.name = "rmkv.checkpoint.restore",
               .doc = "Fills model, optimizer and trainer from a checkpoint.",
               .args = {{"path", "string", ""}, {"parts", "table", "{model, optimizer, trainer}"}},
               .returns = {{"", "table", "the cursor: {stream, manifest, optimizer}"}},
               .call = restore,
               .errors = "when the checkpoint is damaged, before anything is changed"},
              {.name = "rmkv.checkpoint.load_model",
               .doc = "Loads a model from a checkpoint folder, a run folder, a file of the "
                      "original program or an RWKV model file of any format.",
               .args = {{"path", "string", ""}, load_options_field()},
               .returns = {{"", "table", "{model, tokenizer?, path, facts, format}"}},
               .call = load},
          },
      .classes = {&class_of<RunFolder>()}};
}

}  // namespace rmkv::lua
