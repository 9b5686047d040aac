// The original program's configuration and parameter names in ours.
//
// Not here: reading its files (core/checkpoint) and its arithmetic (published.h).
// Source: memory-model.md, section 7.
#pragma once

#include <map>
#include <string>

#include "core/base/value.h"
#include "core/tensor/tensor.h"

namespace rmkv {

// The original's JSON configuration (num_layers, embed_dim, num_heads, max_seq_len, memory_tokens,
// rnn_cell_type, vocab_size, ...) -> an rmkv configuration with commit = "published".  Throws on a
// missing or impossible value.
Table config_from_original(const Table& original);

// Tensors by the original's names -> by ours, q, k and v joined and the minimal cell's map divided.
// Names beginning with "rope." are tables and dropped; an unknown name throws.
std::map<std::string, Tensor> parameters_from_original(
    const std::map<std::string, Tensor>& original);

}  // namespace rmkv
