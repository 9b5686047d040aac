// A run's folder: its checkpoints, which of them to keep, which to resume from.
//
//   run.toml  tokenizer.json  rmkv_<mode>_step_<N>/  rmkv_<mode>_final/  latest -> ...  best -> ...
//
// `latest` and `best` are relative symbolic links, replaced by rename.  Names tell mode and step;
// the content decides. Not here: what is inside a checkpoint (checkpoint.h); asking the user
// (recipes/lib/run.lua).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/checkpoint/checkpoint.h"

namespace rmkv {

// Which checkpoints stay when a new one was saved.  Those that latest and best point at always
// stay.
struct RotationOptions {
  int64_t keep_last = 3;   // at least 1
  int64_t keep_every = 0;  // steps divisible by it stay for good; 0: none
};
RotationOptions read_rotation_options(const Table& table, const std::string& where = "rotation");

struct CheckpointEntry {
  std::string name;  // "rmkv_pretrain_step_400"
  std::string path;  // folder/name
  std::string mode;  // "pretrain"
  int64_t step = 0;  // of a final one: from its facts, -1 when they cannot be read
  bool is_final = false;
  std::string damage;  // empty: manifest and sizes are right (files are hashed when it is loaded)
  Table facts;         // empty when damaged
};

struct ResumeFacts {
  std::optional<CheckpointEntry> newest;  // the newest whole one
  std::vector<CheckpointEntry> damaged;   // newer ones passed over, newest first, with the reason
};

class RunFolder {
 public:
  // Nothing is created before the first save.
  explicit RunFolder(std::string path);
  const std::string& path() const { return path_; }

  // Folder name of a checkpoint; `mode` is one word of letters, digits and '-'.
  static std::string checkpoint_name(const std::string& mode, int64_t step, bool is_final = false);

  // Saves, points `latest` at it, removes what rotation lets go.  content.facts must hold "mode"
  // (string) and "step" (integer).  With a `loss` (lower is better) smaller than that of `best`,
  // `best` points at it too.  Returns its path.
  std::string save(CheckpointContent content, const RotationOptions& rotation,
                   bool is_final = false, std::optional<double> loss = std::nullopt);

  // All checkpoints, oldest step first, a final one after the steps it ends.  `deep` hashes every
  // file.
  std::vector<CheckpointEntry> list(bool deep = false) const;
  // The newest whole checkpoint (hashes checked), with the damaged ones that are newer.
  ResumeFacts resume_facts() const;
  // What `latest` or `best` points at, if it is there.
  std::optional<std::string> pointer(const std::string& name) const;

  // Removes leftovers of saves that were interrupted.
  void clean() const;

 private:
  void point(const std::string& name, const std::string& target) const;
  void rotate(const RotationOptions& rotation) const;
  double best_loss() const;  // infinity when there is no best one

  std::string path_;
};

}  // namespace rmkv
