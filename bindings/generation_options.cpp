// Keys and reading of the tables that sessions and generations take.
#include "bindings/generation_options.h"

#include <cmath>

#include "bindings/objects.h"
#include "core/base/option_reader.h"

namespace rmkv::lua {

// Takes a key out of a table that is closed elsewhere.
std::optional<Value> take_key(Table& table, const char* key) {
  auto place = table.find(key);
  if (place == table.end()) return std::nullopt;
  Value value = std::move(place->second);
  table.erase(place);
  return value;
}

// The keys of a generation; every other key belongs to the sampler and stays set.
GenerateOptions begin_options(Session& session, Table options) {
  Table generate;
  for (const char* key : {"min_tokens", "stop_tokens", "show_special"}) {
    if (auto value = take_key(options, key)) generate[key] = *value;
  }
  if (auto tokens = take_key(options, "tokens")) generate["max_tokens"] = *tokens;
  List stop_tokens = generate.count("stop_tokens") ? generate["stop_tokens"].as_list() : List{};
  List stop_strings;
  if (auto stop = take_key(options, "stop")) {
    if (stop->is_string()) stop = List{*stop};
    const TokenizerPtr& tokenizer = session.tokenizer();
    if (!(stop->is_table() && stop->as_table().empty())) {
      for (const Value& item : stop->as_list()) {
        auto id = tokenizer ? tokenizer->token_id(item.as_string()) : std::nullopt;
        // A special token stops as a token; its text would never be shown.
        if (id && tokenizer->is_special(*id))
          stop_tokens.push_back(static_cast<int64_t>(*id));
        else
          stop_strings.push_back(item);
      }
    }
  }
  if (!stop_tokens.empty()) generate["stop_tokens"] = stop_tokens;
  if (!stop_strings.empty()) generate["stop_strings"] = stop_strings;
  if (!options.empty()) {
    Table sampler = sampler_table(session.sampler().options());
    for (auto& [key, value] : options) sampler[key] = value;
    session.sampler().set_options(read_sampler_options(sampler, "options"));
  }
  return read_generate_options(generate, "options");
}

// The options of the sampler, as in sampler_options.h.
std::vector<Field> sampler_fields() {
  const double all = HUGE_VAL;
  return {{"temperature", "number?", "0: always the likeliest token", "1", 0, 100},
          {"top_k", "integer?", "of so many likeliest; 0: off", "0", 0},
          {"top_p", "number?", "of the likeliest that hold this share; 1: off", "1", 0, 1},
          {"min_p", "number?", "drop tokens below this share of the likeliest; 0: off", "0", 0, 1},
          {"typical_p", "number?", "1: off", "1", 0, 1},
          {"top_n_sigma", "number?", "deviations of the logits below the largest; 0: off", "0", 0},
          {"repetition_penalty", "number?", "1: off", "1", 0, 100},
          {"presence_penalty", "number?", "", "0", -100, 100},
          {"frequency_penalty", "number?", "", "0", -100, 100},
          {"penalty_window", "integer?", "looked back at", "64", 0, 65536, "tokens"},
          {"dry_multiplier", "number?", "0: off", "0", 0},
          {"dry_base", "number?", "", "1.75", 1, 8},
          {"dry_allowed_length", "integer?", "repeats up to this length are free", "2", 0, all,
           "tokens"},
          {"dry_window", "integer?", "looked back at", "1024", 0, 65536, "tokens"},
          {"xtc_probability", "number?", "0: off", "0", 0, 1},
          {"xtc_threshold", "number?", "", "0.1", 0, 1},
          {"bias", "list?", "{ {id, number}, … } added to logits", "none"},
          {"banned", "list?", "ids that never come", "none"},
          {"allowed", "list?", "only these ids compete", "all"},
          {"order", "list?", "names of the stages",
           "penalties dry top_n_sigma top_k typical_p top_p min_p xtc temperature"},
          {"seed", "integer?", "equal seeds give equal texts", "0", 0, 9007199254740992.0}};
}

std::vector<Field> generate_fields() {
  std::vector<Field> fields{
      {"tokens", "integer?", "at most; -1: no limit", "256", -1},
      {"min_tokens", "integer?", "stop tokens do not come before", "0", 0},
      {"stop", "string|list?", "texts that end it; a special token's text stops at that token",
       "none"},
      {"stop_tokens", "list?", "ids that end it", "none"},
      {"show_special", "boolean?", "show special tokens as text", "false"}};
  for (Field& field : sampler_fields()) fields.push_back(field);
  return fields;
}

}  // namespace rmkv::lua
