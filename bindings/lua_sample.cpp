// Module rmkv.sample: sessions, texts in the making.
#include <optional>

#include "bindings/generation_options.h"
#include "bindings/modules.h"
#include "bindings/objects.h"
#include "bindings/tensor_args.h"
#include "core/base/error.h"
#include "core/sample/session.h"
#include "core/sample/session_file.h"
#include "core/tensor/torch.h"

namespace rmkv::lua {

namespace {

// A session with what it needs to be loaded again.
struct BoundSession {
  LanguageModelPtr model;
  TokenizerPtr tokenizer;  // null for a session of ids
  Session session;
};

}  // namespace

template <>
const Class& class_of<BoundSession>() {
  static const Class type{
      "Session", "a text in the making: memory, sampler and place; fork it, save it, look into it"};
  return type;
}

namespace {

Session& session(const Call& c) {
  return c.object<BoundSession>(1).session;
}

int make(Call& c) {
  Table options = c.table(3);
  std::optional<Value> dtype = take_key(options, "dtype");
  auto model = c.shared<LanguageModel>(1);
  TokenizerPtr tokenizer = c.has(2) ? c.shared<const Tokenizer>(2) : nullptr;
  at::ScalarType usual = model->parameters().dtype() == at::kDouble ? at::kDouble : at::kFloat;
  Session made(model, tokenizer, read_sampler_options(options, "options"),
               dtype ? parse_dtype(dtype->as_string()) : usual);
  return c.push_object(
      std::shared_ptr<BoundSession>(new BoundSession{model, tokenizer, std::move(made)}));
}

int feed(Call& c) {
  Table options = c.table(3);
  const Value* special = find(options, "special");
  if (lua_type(c.L, 2) == LUA_TSTRING) {
    session(c).feed(c.text(2), special ? special->as_bool() : true);
  } else {
    std::vector<int32_t> ids = ids_arg(c, 2);
    session(c).feed(ids);
  }
  lua_settop(c.L, 1);
  return 1;
}

GenerateOptions options_of(Call& c, int index) {
  return begin_options(session(c), c.table(index));
}

int outcome(Call& c) {
  return c.push(Value(Table{{"tokens", session(c).generated_tokens()},
                            {"finish", finish_reason_name(session(c).finish_reason())}}));
}

int generate(Call& c) {
  std::string text = session(c).generate(options_of(c, 2));
  return c.push(text) + outcome(c);
}

int next_piece(Call& c) {
  auto piece = session(c).next_piece();
  return piece ? c.push(*piece) : c.push_nil();
}

int next_token(Call& c) {
  auto id = session(c).next_token();
  return id ? c.push(static_cast<int64_t>(*id)) : c.push_nil();
}

// `for piece in session:stream{}`: the iterator is the method next_piece with the session as its
// state.
int stream(Call& c) {
  session(c).begin(options_of(c, 2));
  push_function(c.L, c.host, *find_function("Session:next_piece"));
  lua_pushvalue(c.L, 1);
  return 2;
}

int begin(Call& c) {
  session(c).begin(options_of(c, 2));
  return 0;
}

int settle(Call& c) {
  session(c).settle();
  lua_settop(c.L, 1);
  return 1;
}

int fork(Call& c) {
  return c.push_new(BoundSession(c.object<BoundSession>(1)));
}

int save(Call& c) {
  Table options = c.table(3);
  const Value* small = find(options, "small");
  SessionFile::save(session(c), c.string(2),
                    small && small->as_bool() ? SessionSave::kSmall : SessionSave::kFull);
  return 0;
}

int load(Call& c) {
  auto& bound = c.object<BoundSession>(1);
  bound.session = SessionFile::load(c.string(2), bound.model, bound.tokenizer);
  return 0;
}

int logits(Call& c) {
  return push_tensor(c, session(c).logits());
}
int state(Call& c) {
  return c.push_new(session(c).state());
}

int most_likely_tokens(Call& c) {
  Tensor logits = session(c).logits().contiguous();
  List list;
  for (const TokenChance& chance : most_likely(
           {logits.data_ptr<float>(), static_cast<size_t>(logits.numel())}, c.integer(2, 10))) {
    Table row{{"id", static_cast<int64_t>(chance.id)}, {"probability", chance.probability}};
    if (session(c).tokenizer())
      row["token"] = std::string(session(c).tokenizer()->token_bytes(chance.id));
    list.push_back(row);
  }
  return c.push(Value(list));
}

int flush(Call& c) {
  session(c).flush();
  return 0;
}

int memory_names(Call& c) {
  return c.push(session(c).memory_names());
}

// 0-based, from the 1-based argument.
int64_t slot_arg(Call& c) {
  State state = session(c).state();
  std::string memory = c.string(2);
  int64_t slot = c.integer(3);
  // An unknown memory is the core's to name.
  if (state.has(memory) && slot > state.get(memory).size(1)) {
    fail("slot", std::to_string(slot), "1 .. " + std::to_string(state.get(memory).size(1)));
  }
  return slot - 1;
}

int read_slot(Call& c) {
  return push_tensor(c, session(c).read_slot(c.string(2), slot_arg(c)));
}

int erase_slot(Call& c) {
  auto to = c.string(4, "initial") == "zero" ? Session::EraseTo::kZero : Session::EraseTo::kInitial;
  session(c).erase_slot(c.string(2), slot_arg(c), to);
  return 0;
}

int write_memory(Call& c) {
  session(c).write_memory(c.string(2), tensor_arg(c, 3));
  return 0;
}

int mark(Call& c) {
  session(c).mark();
  return 0;
}

int undo(Call& c) {
  return c.push(session(c).undo());
}
int marks(Call& c) {
  return c.push(static_cast<int64_t>(session(c).marks()));
}

int reseed(Call& c) {
  session(c).sampler().reseed(c.integer(2));
  return 0;
}

int sampler(Call& c) {
  if (c.has(2)) {
    Table merged = sampler_table(session(c).sampler().options());
    for (auto& [key, value] : c.table(2)) merged[key] = value;
    session(c).sampler().set_options(read_sampler_options(merged, "options"));
  }
  return c.push(Value(sampler_table(session(c).sampler().options())));
}

int position(Call& c) {
  return c.push(session(c).total_tokens());
}
int bytes(Call& c) {
  return c.push(session(c).size_bytes());
}

}  // namespace

Module sample_module() {
  const double none = -HUGE_VAL, all = HUGE_VAL;
  std::vector<Field> make_keys = sampler_fields();
  make_keys.push_back(
      {"dtype", "string?", "of products: fp32, bf16, or fp64 for fp64 models", "\"fp32\""});
  const Field generate_options{
      "options", "options?",       "sampler keys stay set afterwards", "", none, all,
      "",        generate_fields()};
  const Field memory{"memory", "string", "one of memory_names()"},
      slot{"slot", "integer", "from 1", "", 1};
  const Field path{"path", "string", ""};
  return {
      .name = "rmkv.sample",
      .doc = "sessions, texts in the making",
      .functions =
          {
              {.name = "rmkv.sample.session",
               .doc = "Opens a session on a model; sessions are cheap, the model is shared.",
               .args = {{"model", "Model", ""},
                        {"tokenizer", "Tokenizer?", "left out for a session of ids"},
                        {"options", "options?", "", "", none, all, "", make_keys}},
               .returns = {{"", "Session", ""}},
               .call = make,
               .errors = "when the tokenizer does not fit the model"},
              {.name = "Session:feed",
               .doc = "Reads text or ids; any chunks give the same result.",
               .args = {{"text", "string|table|Tensor", "text, or ids from 0"},
                        {"options",
                         "options?",
                         "",
                         "",
                         none,
                         all,
                         "",
                         {{"special", "boolean?",
                           "special tokens written in the text are read as such; turn it off for "
                           "text of strangers",
                           "true"}}}},
               .returns = {{"", "Session", "the object"}},
               .call = feed},
              {.name = "Session:settle",
               .doc =
                   "Computes everything read now, and not when a block is full: before forks that "
                   "go on from here.  What follows may differ in its last bits.",
               .args = {},
               .returns = {{"", "Session", "the object"}},
               .call = settle},
              {.name = "Session:generate",
               .doc = "Writes on until it ends.",
               .args = {generate_options},
               .returns = {{"text", "string", ""},
                           {"facts", "table", "tokens, finish: stop_token, stop_string or budget"}},
               .call = generate,
               .errors =
                   "when nothing was fed yet; \"interrupted\" on Ctrl-C, what was written stays"},
              {.name = "Session:stream",
               .doc = "Writes on piece by piece: for piece in session:stream{} do.",
               .args = {generate_options},
               .returns = {{"iterator", "function", ""}, {"session", "Session", ""}},
               .call = stream},
              {.name = "Session:begin",
               .doc = "Opens a generation for next_piece or next_token.",
               .args = {generate_options},
               .returns = {},
               .call = begin},
              {.name = "Session:next_piece",
               .doc = "Returns the next text that can be shown: whole characters.",
               .args = {{"previous", "any?", "ignored; an iterator gets it"}},
               .returns = {{"", "string?", "nil at the end"}},
               .call = next_piece},
              {.name = "Session:outcome",
               .doc = "Tells what the last generation wrote and why it ended.",
               .args = {},
               .returns = {{"", "table",
                            "tokens, finish: stop_token, stop_string or budget; none: it goes on"}},
               .call = outcome},
              {.name = "Session:next_token",
               .doc = "Samples one token, which enters the text.",
               .args = {},
               .returns = {{"", "integer?", "nil at the end"}},
               .call = next_token},
              {.name = "Session:fork",
               .doc = "Copies the session; both go on for themselves.",
               .args = {},
               .returns = {{"", "Session", ""}},
               .call = fork},
              {.name = "Session:save",
               .doc = "Writes the session to a file.",
               .args =
                   {path,
                    {"options",
                     "options?",
                     "",
                     "",
                     none,
                     all,
                     "",
                     {{"small", "boolean?",
                       "memory and open tokens only: equal within fp32 rounding, not bit for bit",
                       "false"}}}},
               .returns = {},
               .call = save,
               .errors = "when it cannot be written"},
              {.name = "Session:load",
               .doc = "Goes on from a saved session of the same model and tokenizer.",
               .args = {path},
               .returns = {},
               .call = load,
               .errors = "when the file is damaged or belongs to another model"},
              {.name = "Session:logits",
               .doc = "Returns the logits after everything read.",
               .args = {},
               .returns = {{"", "Tensor", "fp32 [V]"}},
               .call = logits},
              {.name = "Session:most_likely",
               .doc = "Returns the most probable next tokens.",
               .args = {{"count", "integer?", "", "10", 1, 1e6}},
               .returns = {{"", "list", "{ id, token, probability }"}},
               .call = most_likely_tokens},
              {.name = "Session:state",
               .doc = "Returns the state after everything read.",
               .args = {},
               .returns = {{"", "State", "a copy"}},
               .call = state},
              {.name = "Session:flush",
               .doc =
                   "Commits the open segment to memory now: a different computation from going on.",
               .args = {},
               .returns = {},
               .call = flush},
              {.name = "Session:memory_names",
               .doc = "Lists the memories.",
               .args = {},
               .returns = {{"", "list", ""}},
               .call = memory_names},
              {.name = "Session:read_slot",
               .doc = "Reads a memory slot.",
               .args = {memory, slot},
               .returns = {{"", "Tensor", "fp32 [C]"}},
               .call = read_slot,
               .errors = "beyond the last slot"},
              {.name = "Session:erase_slot",
               .doc = "Puts a memory slot back to its start, or to zero.",
               .args =
                   {memory,
                    slot,
                    {"to", "string?", "", "\"initial\"", none, all, "", {}, {"initial", "zero"}}},
               .returns = {},
               .call = erase_slot,
               .errors = "beyond the last slot"},
              {.name = "Session:write_memory",
               .doc = "Replaces a whole memory.",
               .args = {memory, {"value", "Tensor", "of its shape"}},
               .returns = {},
               .call = write_memory,
               .errors = "on another shape"},
              {.name = "Session:mark",
               .doc = "Remembers this moment for undo.",
               .args = {},
               .returns = {},
               .call = mark},
              {.name = "Session:undo",
               .doc = "Comes back to the last mark.",
               .args = {},
               .returns = {{"", "boolean", "false when no mark is left"}},
               .call = undo},
              {.name = "Session:marks",
               .doc = "Returns the number of marks.",
               .args = {},
               .returns = {{"", "integer", ""}},
               .call = marks},
              {.name = "Session:reseed",
               .doc = "Chooses another future from here.",
               .args = {{"seed", "integer", "", "", 0, 9007199254740992.0}},
               .returns = {},
               .call = reseed},
              {.name = "Session:sampler",
               .doc = "Returns the sampler's options, after changing some.",
               .args = {{"options", "options?", "", "", none, all, "", sampler_fields()}},
               .returns = {{"", "table", ""}},
               .call = sampler},
              {.name = "Session:position",
               .doc = "Returns the tokens read and written.",
               .args = {},
               .returns = {{"", "integer", ""}},
               .call = position},
              {.name = "Session:bytes",
               .doc = "Returns the bytes the session holds.",
               .args = {},
               .returns = {{"", "integer", ""}},
               .call = bytes},
          },
      .classes = {&class_of<BoundSession>()}};
}

}  // namespace rmkv::lua
