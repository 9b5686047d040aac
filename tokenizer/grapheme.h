// Grapheme clusters: what a reader takes for one character, such as a letter with its accents.
//
// The extended clusters of Unicode Standard Annex 29, version 17.0, which is what Hugging Face's
// library has compiled in.
#pragma once

#include <cstddef>
#include <cstdint>

namespace rmkv {

// Grapheme_Cluster_Break, with Indic_Conjunct_Break and Extended_Pictographic where the rules need
// them.
enum class GraphemeClass : uint8_t {
  kOther,
  kReturn,     // CR
  kNewline,    // LF
  kControl,    // a cluster of its own
  kExtend,     // goes with what stands before
  kLinker,     // the same, and joins two Indic consonants
  kNonJoiner,  // the same, and keeps them apart (U+200C)
  kJoiner,     // the same, and joins two pictographs (U+200D)
  kSpacing,    // goes with what stands before
  kPrepend,    // goes with what follows
  kRegional,   // half a flag
  kHangulL,
  kHangulV,
  kHangulT,
  kHangulLV,
  kHangulLVT,
  kPictograph,
  kConsonant,
};

struct GraphemeRange {
  uint32_t first, last;
  GraphemeClass kind;
};
extern const GraphemeRange kGraphemeRanges[];
extern const size_t kGraphemeRangeCount;

// The end of the cluster that begins at `p` (p < end); clusters are found one behind another from
// the beginning of a text.  An invalid byte is a cluster of its own.
const char* grapheme_end(const char* p, const char* end);

}  // namespace rmkv
