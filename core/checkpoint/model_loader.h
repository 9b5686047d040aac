// A model from whatever `--checkpoint` names.
//
// A checkpoint folder; a run folder (its `latest`, else its newest whole checkpoint); a file of the
// original RMKV program (import_original.h); an RWKV model file of any format or a folder with one
// (weight_file.h).  Training parts are not read.
#pragma once

#include <memory>
#include <string>

#include "core/checkpoint/weight_file.h"
#include "core/models/language_model.h"

namespace rmkv {

struct LoadOptions {
  at::ScalarType parameter_dtype = at::kFloat;  // fp32, or fp64 for tests
  at::Device device = at::kCPU;
  // The inference engine with packed weights instead of a trainable model: the name of a
  // WeightType, or "stored" for the types of the file (RWKV only), or "auto": stored for RWKV on
  // the CPU, a trainable model for everything else.  Empty: a trainable model.
  std::string weights;
  std::string head;  // of the engine: a WeightType for the head alone; empty: at least 16 bits
  int threads = 0;   // of the engine; 0: as many as LibTorch's
};

struct LoadedModel {
  std::unique_ptr<LanguageModel> model;
  std::string path;            // the checkpoint folder or file it came from
  std::string tokenizer_path;  // tokenizer.json of the run, "" when there is none
  Table facts;                 // of the checkpoint; empty for an imported file
  std::string format;  // "checkpoint", "original", or the format of a model file: "pth", "ggmf", ..
  std::string names;   // whose names the file has; empty for a checkpoint
};

// Throws Error with path and reason.
LoadedModel load_model(const std::string& path, const LoadOptions& options = {});

// The weights of an RWKV model without building it: a model file or folder, or a checkpoint or run
// of this program (format "checkpoint").
WeightFile load_rwkv_weights(const std::string& path);

}  // namespace rmkv
