// A checkpoint folder: saved whole or not at all, loaded whole or refused (system.md, section 4).
//
//   model.safetensors  config.toml  optimizer.safetensors  state.safetensors  cursor.json
//   manifest.json
//
// The manifest is written last and holds size and XXH3-128 of every file and of itself, so that a
// truncated, exchanged or flipped file is refused with its name.  Hashes guard against damage, not
// malice; hostile files are the parsers' matter.
//
// Not here: run folders, rotation, pointers (run_folder.h); what the tensors mean (core/optim,
// core/train).
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "core/base/value.h"
#include "core/tensor/tensor.h"

namespace rmkv {

using TensorMap = std::map<std::string, Tensor>;

struct CheckpointContent {
  Table config;         // of the model: create_model(config) builds it
  TensorMap model;      // parameters by name
  TensorMap optimizer;  // empty for a model without its training (no file is written)
  TensorMap state;      // lane memories and positions; may be empty
  Table cursor;         // data, random streams, schedule, journal: plain values
  Table facts;  // "mode", "step", "tokens", measures: small things to list a checkpoint by (in the
                // manifest)
};

enum class CheckpointParts { kAll, kModel };  // kModel: config, model and facts

// Saves to `folder`, which appears complete by a rename or not at all; an existing checkpoint there
// is replaced the same way.  A full disk, a read-only folder or a crash leaves what was there.
// Throws Error with path and reason.
void save_checkpoint(const std::string& folder, const CheckpointContent& content);

// Verifies what it reads and throws Error with file and reason before anything of it is given out.
CheckpointContent load_checkpoint(const std::string& folder,
                                  CheckpointParts parts = CheckpointParts::kAll);

// The model's configuration alone, verified.
Table checkpoint_config(const std::string& folder);

// The manifest's facts after a check of the manifest and of every file's size (cheap: no file is
// read whole).
Table checkpoint_facts(const std::string& folder);

// Empty when the checkpoint is whole, otherwise the reason.  `deep` also hashes every file.
std::string checkpoint_damage(const std::string& folder, bool deep = true);

bool is_checkpoint(const std::string& folder);  // a folder with a manifest.json

// For tests: called after every file operation of a save with its number; it may throw or end the
// process.
void set_checkpoint_fault_hook(void (*hook)(int operation));

}  // namespace rmkv
