// Sessions in files: one safetensors file with the tensors and, as its metadata, a JSON text with
// the rest.
//
// full:  continues bit for bit: the whole state, the waiting tokens, the sampler's place and its
// last tokens. small: the state where the open segment began (memory, bridge, store) and the tokens
// since; loading computes them again,
//        equal within fp32 rounding.
// Neither holds weights: the file names the model's configuration and tokenizer and is refused by
// another one. A generation in progress is not saved: begin() one after loading.  Marks are not
// saved.
#pragma once

#include <memory>
#include <string>

#include "core/sample/session.h"

namespace rmkv {

enum class SessionSave { kFull, kSmall };

class SessionFile {
 public:
  // Atomic; throws Error with the path and the reason.
  static void save(const Session& session, const std::string& path,
                   SessionSave kind = SessionSave::kFull);
  // Checked whole before a session is made of it.
  static Session load(const std::string& path, LanguageModelPtr model, TokenizerPtr tokenizer);
};

}  // namespace rmkv
