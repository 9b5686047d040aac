// A small RMKV with random weights, and session helpers, for tests of sessions.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/models/language_model.h"
#include "core/sample/session.h"
#include "tokenizer/tokenizer.h"

namespace rmkv {

// 262 ids (the byte tokenizer), segments of 8 tokens.
inline Table tiny_config(Table changes = {}) {
  Table config{{"architecture", "rmkv"},
               {"vocabulary", 262},
               {"channels", 16},
               {"layers", 2},
               {"heads", 2},
               {"slots", 3},
               {"segment_tokens", 8},
               {"bridge", 4}};
  for (auto& [key, value] : changes) config[key] = value;
  return config;
}

inline LanguageModelPtr tiny_model(Table changes = {}) {
  set_thread_count(1);  // a second thread would only wait for the first
  return create_model(tiny_config(std::move(changes)), 1);
}

inline Session tiny_session(int64_t seed = 0, Table changes = {}) {
  SamplerOptions options;
  options.seed = seed;
  return Session(tiny_model(std::move(changes)), make_byte_tokenizer(), options);
}

inline std::vector<int32_t> next_tokens(Session& session, int64_t count) {
  session.begin({.max_tokens = count});
  std::vector<int32_t> ids;
  while (auto id = session.next_token()) ids.push_back(*id);
  return ids;
}

}  // namespace rmkv
