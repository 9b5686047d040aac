// The names other programs give to RWKV's tensors, and the layouts that go with them.
//
// Each scheme turns the tensors of a file into official names; what is left afterwards (shapes,
// completeness) is weight_file.h.  Sources: rwkv-family.md, sections 1.9 and 4.1; the converters of
// rwkv.cpp, llama.cpp, transformers, flash-linear-attention and web-rwkv.
#pragma once

#include <string>
#include <vector>

#include "core/checkpoint/stored_weights.h"
#include "core/models/rwkv/rwkv_config.h"

namespace rmkv {

struct RwkvNaming {
  const char* name;  // "rwkv", "rwkv.cpp", ...
  bool (*fits)(const StoredWeights& stored);
  // Renames in place, undoes layouts and precomputed values, fills in what the metadata tells.
  // Tensors that no model of this scheme reads are dropped.
  void (*translate)(StoredWeights& stored, RwkvHints& hints, const std::string& file);
};

// In the order in which they are tried.
const std::vector<RwkvNaming>& rwkv_namings();

// --- pieces that the schemes share ---
struct NamePair {
  std::string theirs, official;  // within a layer or outside of all layers
};
// Renames `weights` by `outside` and, for names that begin with `layer_prefix` and a number, by
// `inside` ("blocks.N." goes in front).  A name of theirs that ends in '.' stands for a prefix.
// Throws for names that are in neither.
WeightMap renamed(const WeightMap& weights, const std::string& layer_prefix,
                  const std::vector<NamePair>& outside, const std::vector<NamePair>& inside,
                  const std::string& file);
// Applies `change` to every tensor whose official name ends in one of `ends`.
void change_each(WeightMap& weights, const std::vector<std::string>& ends,
                 WeightTensor (*change)(const WeightTensor&));
// Low-rank maps of versions 6 and 7 are stored transposed against the .pth.
void transpose_low_rank(WeightMap& weights);
// Cuts "blocks.N.<fused>" of `parts.size()` rows of D into "blocks.N.<stem><part>".
void split_rows(WeightMap& weights, const std::string& fused, const std::string& stem,
                const std::vector<std::string>& parts, const std::string& file);
// The weight with a function applied to each value, as fp32.
WeightTensor mapped(const WeightTensor& weight, double (*function)(double));

// --- the schemes (one file each) ---
bool is_rwkv_cpp(const StoredWeights& stored);
void translate_rwkv_cpp(StoredWeights& stored, RwkvHints& hints, const std::string& file);
bool is_llama_cpp(const StoredWeights& stored);
void translate_llama_cpp(StoredWeights& stored, RwkvHints& hints, const std::string& file);
bool is_fla(const StoredWeights& stored);
void translate_fla(StoredWeights& stored, RwkvHints& hints, const std::string& file);

}  // namespace rmkv
