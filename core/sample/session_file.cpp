// Session files over safetensors.
#include "core/sample/session_file.h"

#include <algorithm>

#include "core/base/error.h"
#include "core/base/file.h"
#include "core/base/json.h"
#include "core/base/option_reader.h"
#include "core/base/toml.h"
#include "core/tensor/safetensors.h"
#include "core/tensor/torch.h"

namespace rmkv {

namespace {

constexpr int64_t kVersion = 1;
constexpr const char* kMetadataKey = "rmkv_session";

// Fed text may be any bytes, JSON strings may not.
std::string to_hexadecimal(const std::string& bytes) {
  std::string text;
  for (unsigned char byte : bytes) {
    text += "0123456789abcdef"[byte >> 4];
    text += "0123456789abcdef"[byte & 15];
  }
  return text;
}

std::string from_hexadecimal(const std::string& text, const std::string& where) {
  auto digit = [&](char c) -> int {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    fail(where, "a text that is not hexadecimal", "pairs of 0-9a-f");
  };
  if (text.size() % 2 != 0) fail(where, "an odd number of digits", "pairs of 0-9a-f");
  std::string bytes;
  for (size_t i = 0; i < text.size(); i += 2) {
    bytes += static_cast<char>(digit(text[i]) * 16 + digit(text[i + 1]));
  }
  return bytes;
}

List ids_to_list(const std::vector<int32_t>& ids) {
  List list;
  list.reserve(ids.size());
  for (int32_t id : ids) list.push_back(int64_t{id});
  return list;
}

std::vector<int32_t> read_ids(OptionReader& reader, const std::string& key, int64_t vocabulary) {
  std::vector<int64_t> wide;
  reader.read(key, wide);
  std::vector<int32_t> ids;
  ids.reserve(wide.size());
  for (int64_t id : wide) {
    if (id < 0 || id >= vocabulary) {
      fail(reader.where() + "." + key, "id " + std::to_string(id),
           "ids in [0, " + std::to_string(vocabulary) + ")");
    }
    ids.push_back(static_cast<int32_t>(id));
  }
  return ids;
}

void put_state(const State& state, const std::string& prefix,
               std::map<std::string, Tensor>& tensors, Table& counters) {
  for (const auto& [name, tensor] : state.tensors()) tensors[prefix + name] = tensor;
  for (const auto& [name, value] : state.counters()) counters[name] = value;
}

State get_state(const std::map<std::string, Tensor>& tensors, const std::string& prefix,
                const Table& counters, const at::Device& device) {
  State state;
  for (const auto& [name, tensor] : tensors) {
    if (name.compare(0, prefix.size(), prefix) == 0) {
      state.set(name.substr(prefix.size()), tensor.to(device));
    }
  }
  for (const auto& [name, value] : counters) state.set_counter(name, value.as_int());
  return state;
}

const Table& table_under(OptionReader& reader, const std::string& key) {
  const Value* value = reader.take(key);
  if (!value) fail(reader.where(), "no '" + key + "'", "a table under that name");
  return value->as_table();
}

std::string model_identity(const LanguageModel& model) {
  return content_hash(write_toml(model.config()));
}

// What a state of this model must look like: the tensors of a fresh one, batch 1.
void check_state(const State& state, const State& fresh, const std::string& where) {
  for (const auto& [name, tensor] : fresh.tensors()) {
    if (!state.has(name)) fail(where, "no tensor '" + name + "'", tensor_text(tensor));
    const Tensor& got = state.get(name);
    if (got.dim() != tensor.dim() || got.scalar_type() != tensor.scalar_type()) {
      fail(where + " '" + name + "'", tensor_text(got), tensor_text(tensor));
    }
  }
  for (const auto& [name, tensor] : state.tensors()) {
    if (tensor.dim() < 1 || tensor.size(0) != 1) {
      fail(where + " '" + name + "'", tensor_text(tensor), "one lane [1, ...]");
    }
  }
}

}  // namespace

void SessionFile::save(const Session& session, const std::string& path, SessionSave kind) {
  Session copy = session;
  Session::Moment& moment = copy.moment_;
  std::map<std::string, Tensor> tensors;
  Table counters, start_counters;
  Table facts{{"version", kVersion},
              {"kind", kind == SessionSave::kFull ? "full" : "small"},
              {"model", model_identity(*copy.model_)},
              {"tokenizer", copy.tokenizer_ ? copy.tokenizer_->fingerprint() : ""},
              {"compute_dtype", dtype_name(copy.compute_dtype_)},
              {"sampler", sampler_table(copy.sampler_.options())},
              {"step", static_cast<int64_t>(copy.sampler_.step())},
              {"recent", ids_to_list(copy.sampler_.progress().recent)},
              {"total", moment.total},
              {"open", ids_to_list(moment.open)},
              {"waiting", ids_to_list(moment.waiting)},
              {"text", to_hexadecimal(moment.text)},
              {"text_special", moment.text_special}};
  // Without segments the state is its own start.
  if (copy.has_segments()) {
    put_state(moment.segment_start, "start.", tensors, start_counters);
  } else if (kind == SessionSave::kSmall) {
    put_state(moment.state, "start.", tensors, start_counters);
  }
  if (moment.last_hidden.defined()) tensors["last_hidden"] = moment.last_hidden;
  if (kind == SessionSave::kFull) {
    put_state(moment.state, "state.", tensors, counters);
    if (moment.logits_known) tensors["logits"] = moment.logits;
  }
  facts["counters"] = counters;
  facts["start_counters"] = start_counters;
  for (auto& entry : tensors) entry.second = entry.second.to(at::kCPU).contiguous();
  write_safetensors(path, tensors, {{kMetadataKey, write_json(facts)}});
}

Session SessionFile::load(const std::string& path, LanguageModelPtr model, TokenizerPtr tokenizer) {
  SafetensorsFile file = read_safetensors(path);
  auto text = file.metadata.find(kMetadataKey);
  if (text == file.metadata.end()) fail(path, "no session in it", "a file saved by a session");
  const Value parsed = parse_json(text->second, path);
  if (!parsed.is_table()) fail(path, parsed.type_name(), "a table of session facts");
  const Table& facts = parsed.as_table();

  OptionReader reader(facts, path);
  int64_t version = 0, step = 0, total = -1;
  std::string kind, identity, fingerprint, dtype = "fp32", held;
  bool text_special = false;
  reader.read("version", version);
  if (version != kVersion) {
    fail(path, "session version " + std::to_string(version), std::to_string(kVersion));
  }
  reader.read("kind", kind, {"full", "small"});
  reader.read("model", identity);
  reader.read("tokenizer", fingerprint);
  reader.read("compute_dtype", dtype);
  reader.read("step", step, 0);
  reader.read("total", total, 0);
  reader.read("text", held);
  reader.read("text_special", text_special);
  if (identity != model_identity(*model)) {
    fail(path, "a session of a model with another configuration", "one of this model");
  }
  if (fingerprint != (tokenizer ? tokenizer->fingerprint() : "")) {
    fail(path, "a session with another tokenizer", "the tokenizer it was saved with");
  }

  SamplerOptions sampler = read_sampler_options(table_under(reader, "sampler"), path + ": sampler");
  Session session(std::move(model), std::move(tokenizer), std::move(sampler), parse_dtype(dtype));
  const ModelFacts& model_facts = session.model_->facts();
  const at::Device device = session.model_->parameters().device();
  const State fresh = session.moment_.state;
  Session::Moment moment;
  moment.total = total;
  moment.text = from_hexadecimal(held, path);
  moment.text_special = text_special;
  moment.open = read_ids(reader, "open", model_facts.vocabulary);
  moment.waiting = read_ids(reader, "waiting", model_facts.vocabulary);
  std::vector<int32_t> recent = read_ids(reader, "recent", model_facts.vocabulary);
  const Table& counters = table_under(reader, "counters");
  const Table& start_counters = table_under(reader, "start_counters");
  reader.finish();
  if (static_cast<int64_t>(moment.open.size()) >=
      std::max<int64_t>(model_facts.segment_tokens, 1)) {
    fail(path, std::to_string(moment.open.size()) + " open tokens",
         "fewer than a segment of " + std::to_string(model_facts.segment_tokens));
  }

  const bool segments = session.has_segments();
  if (segments || kind == "small") {
    moment.segment_start = get_state(file.tensors, "start.", start_counters, device);
    check_state(moment.segment_start, fresh, path + ": start");
  }
  auto take = [&](const char* name, int64_t size) {
    auto found = file.tensors.find(name);
    if (found == file.tensors.end()) return Tensor();
    if (found->second.numel() != size) {
      fail(path + ": " + name, tensor_text(found->second), std::to_string(size) + " elements");
    }
    return found->second;
  };
  moment.last_hidden = take("last_hidden", model_facts.channels);
  if (moment.last_hidden.defined()) moment.last_hidden = moment.last_hidden.to(device);
  if (kind == "full") {
    moment.state = get_state(file.tensors, "state.", counters, device);
    check_state(moment.state, fresh, path + ": state");
    moment.logits = take("logits", model_facts.vocabulary);
    moment.logits_known = moment.logits.defined();
  } else {
    // The open tokens are computed again from the segment's start.
    moment.state = moment.segment_start;
    moment.open.insert(moment.open.end(), moment.waiting.begin(), moment.waiting.end());
    moment.waiting = std::move(moment.open);
    moment.open.clear();
  }
  if (!segments) moment.segment_start = State();
  session.moment_ = std::move(moment);
  session.sampler_.restore({static_cast<uint64_t>(step), std::move(recent)});
  return session;
}

}  // namespace rmkv
