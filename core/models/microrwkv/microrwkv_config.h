// The closed options of MicroRWKV, corrected or as published.
//
// Not here: initial values (microrwkv_parameters.h) and anything that computes.  The defaults are
// the published model's.  Sources: rwkv-family.md, section 2; AnshulRanjan2004/MicroRWKV (described
// there in other words; none of its text is here).
#pragma once

#include <cstdint>
#include <string>

#include "core/base/value.h"

namespace rmkv {

// kCorrected: causal, recurrent, every module does what its name says.  kPublished: as the
// published program computes, which lets tokens see the future and samples of a batch each other.
enum class MicroRwkvMode { kCorrected, kPublished };

struct MicroRwkvConfig {
  MicroRwkvMode mode = MicroRwkvMode::kCorrected;
  int64_t vocabulary = 50304;     // V
  int64_t channels = 768;         // C, a multiple of heads (published: of 4 heads)
  int64_t layers = 8;             // L
  int64_t heads = 8;              // H, of the time mix and of the queries
  int64_t block_tokens = 1024;    // rows of the position table; tokens that grouped-query sees
  int64_t window = 256;           // tokens that the sliding window sees; published: rows of a score
                                  // table that is filled up with zeros
  int64_t key_heads = 0;          // G, a divisor of heads; 0: a quarter of them, at least 1
  int64_t ffn_hidden = 0;         // F of the channel mix; 0: 3 C
  int64_t experts = 4;            // E
  int64_t active = 0;             // experts per token; 0: half of them (published: all)
  int64_t expert_channels = 512;  // an expert's width is 1.2 times this, rounded down
  double auxiliary_weight = 0.01;  // of the load-balance loss; published: of a loss that is dropped

  int64_t head_size() const { return channels / heads; }
  int64_t expert_width() const { return expert_channels * 12 / 10; }  // W
  bool published() const { return mode == MicroRwkvMode::kPublished; }

  // Reads a closed table (key "architecture" must be "microrwkv" when present; "mode" is
  // "corrected" or "published") and fills in what is 0; throws on unknown keys, values out of range
  // and combinations that cannot be.
  static MicroRwkvConfig from_table(const Table& table);
  // Every option, resolved; from_table(to_table()) gives the same configuration.
  Table to_table() const;
};

// A named size without vocabulary: "tiny" ~1M, "small" ~9M, "base" the published size, "1b" ~1.1B.
Table microrwkv_preset(const std::string& name);

}  // namespace rmkv
