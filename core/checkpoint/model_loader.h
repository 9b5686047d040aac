// A model for inference from whatever `--checkpoint` names.
//
// A checkpoint folder; a run folder (its `latest`, else its newest whole checkpoint); a .pt/.pth or
// .safetensors file of the original program (import_original.h).  Training parts are not read.
#pragma once

#include <memory>
#include <string>

#include "core/models/language_model.h"

namespace rmkv {

struct LoadedModel {
  std::unique_ptr<LanguageModel> model;
  std::string path;            // the checkpoint folder or file it came from
  std::string tokenizer_path;  // tokenizer.json of the run, "" when there is none
  Table facts;                 // of the checkpoint; empty for an imported file
};

// `parameter_dtype` fp32, or fp64 for tests.  Throws Error with path and reason.
LoadedModel load_model(const std::string& path, at::ScalarType parameter_dtype = at::kFloat,
                       at::Device device = at::kCPU);

}  // namespace rmkv
