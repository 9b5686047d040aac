// How a block of tokens falls into segments: padding, resets and what of the bridge is visible
// where.
//
// Padding is removed by order: within each segment the kept tokens are moved to the front, keeping
// their order, so that positions, causality and the bridge work as if padding did not exist;
// results are moved back at the end. Everything here is indices and flags; no gradients.
#pragma once

#include <vector>

#include "core/models/language_model.h"
#include "core/models/rmkv/rmkv_config.h"

namespace rmkv {

class SegmentPlan {
 public:
  // tokens int64 [B, S T'].  Throws when the block is not whole segments, or the shapes of options
  // disagree.
  SegmentPlan(const RmkvConfig& config, const Tensor& tokens, const State& state,
              const ForwardOptions& options);

  Tensor tokens;         // int64 [B, S T'], in computing order
  int64_t segments = 0;  // S
  int64_t length = 0;    // T'

  bool padded() const { return kept_.defined(); }
  // Flags of one segment.  kept: bool [B, T'], undefined without padding.  alive: bool [B], lanes
  // with a kept token.
  Tensor kept(int64_t s) const;
  Tensor alive(int64_t s) const;
  // int64 [B] kept tokens, or a number without padding.
  Tensor count(int64_t s) const;
  // Whether any lane may start anew before segment s (on the CPU: whether one does), and which,
  // bool [B].
  bool has_reset(int64_t s) const;
  Tensor reset(int64_t s) const;

  // bool [B, k + T']: visible rows of bridge and tokens; undefined when all are.
  Tensor visible(int64_t s) const;
  // bool [B, k]: the bridge left after s segments, s = 0 .. S.
  Tensor bridge_visible(int64_t s) const { return bridge_visible_[static_cast<size_t>(s)]; }
  // The last k kept rows of a segment, oldest first, zeros before them where it has fewer.  rows
  // [B, T', X].
  Tensor newest_rows(const Tensor& rows, int64_t s, int64_t count) const;
  // rows [B, count + T', X], `count` rows before segment s and its rows -> the newest `count` of
  // those before and the kept ones.  With padding only.
  Tensor rows_from_count(const Tensor& rows, int64_t s, int64_t count) const;

  // Where lanes start anew and what is padding as marks of tokens in computing order, uint8
  // [B, S T'] (see core/kernels/wkv.h); undefined without either.
  Tensor marks() const;

  // Tokens since a lane's start, int64 [B]: 0 where the lane starts anew before segment s; after
  // all segments.
  Tensor restarted(const Tensor& start, int64_t s) const;
  Tensor advanced(Tensor start) const;

  // rows [B, S T', C] in computing order -> in the order of the caller's tokens.
  Tensor in_given_order(const Tensor& rows) const;

 private:
  void remove_padding(const Tensor& valid);
  void plan_bridge(const RmkvConfig& config, const State& state);

  int64_t batch_ = 0;
  Tensor order_;   // int64 [B, S, T']: computing order -> place in the segment
  Tensor kept_;    // bool [B, S, T']
  Tensor counts_;  // int64 [B, S]
  Tensor resets_;  // bool [B, S]
  std::vector<bool> maybe_reset_;
  std::vector<Tensor> bridge_visible_;
  std::vector<bool> bridge_full_;
};

}  // namespace rmkv
