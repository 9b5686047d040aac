// The rules GB3 to GB13 of the annex, from left to right.
#include "tokenizer/grapheme.h"

#include <algorithm>

#include "tokenizer/unicode.h"

namespace rmkv {
namespace {

using enum GraphemeClass;

GraphemeClass class_of(uint32_t c) {
  if (c == '\r') return kReturn;
  if (c == '\n') return kNewline;
  if (c >= ' ' && c < 0x7F) return kOther;
  if (c == kInvalidCodePoint) return kControl;
  if (c >= 0xAC00 && c <= 0xD7A3) return (c - 0xAC00) % 28 == 0 ? kHangulLV : kHangulLVT;
  const GraphemeRange* const end = kGraphemeRanges + kGraphemeRangeCount;
  const GraphemeRange* const found =
      std::upper_bound(kGraphemeRanges, end, c,
                       [](uint32_t code, const GraphemeRange& r) { return code < r.first; });
  if (found == kGraphemeRanges || c > found[-1].last) return kOther;
  return found[-1].kind;
}

bool extends(GraphemeClass kind) {
  return kind == kExtend || kind == kLinker || kind == kNonJoiner || kind == kJoiner;
}

// What the rules need to know of the cluster so far.
struct Cluster {
  GraphemeClass last;
  bool odd_regionals = false;     // GB12, GB13
  bool after_pictograph = false;  // GB11: a pictograph and only extenders behind it
  bool after_consonant = false;   // GB9c: a consonant, then extenders and linkers
  bool linked = false;            // with a linker among them

  explicit Cluster(GraphemeClass first)
      : last(first),
        odd_regionals(first == kRegional),
        after_pictograph(first == kPictograph),
        after_consonant(first == kConsonant) {}

  bool takes(GraphemeClass next) const {
    if (last == kReturn && next == kNewline) return true;
    for (const GraphemeClass kind : {last, next}) {
      if (kind == kControl || kind == kReturn || kind == kNewline) return false;
    }
    if (last == kHangulL &&
        (next == kHangulL || next == kHangulV || next == kHangulLV || next == kHangulLVT)) {
      return true;
    }
    if ((last == kHangulLV || last == kHangulV) && (next == kHangulV || next == kHangulT))
      return true;
    if ((last == kHangulLVT || last == kHangulT) && next == kHangulT) return true;
    if (extends(next) || next == kSpacing || last == kPrepend) return true;
    if (next == kConsonant) return linked;
    if (next == kPictograph) return last == kJoiner && after_pictograph;
    return next == kRegional && odd_regionals;
  }

  void add(GraphemeClass next) {
    odd_regionals = next == kRegional && !(last == kRegional && odd_regionals);
    // The joiner ends what may stand between two pictographs.
    after_pictograph =
        next == kPictograph || (after_pictograph && extends(next) && last != kJoiner);
    const bool within = next == kExtend || next == kLinker || next == kJoiner;
    linked = after_consonant && within && (linked || next == kLinker);
    after_consonant = next == kConsonant || (after_consonant && within);
    last = next;
  }
};

}  // namespace

const char* grapheme_end(const char* p, const char* end) {
  const auto is_plain = [](char c) { return c >= ' ' && c < 0x7F; };
  if (is_plain(*p) && (p + 1 == end || is_plain(p[1]))) return p + 1;
  Utf8Char c = decode_utf8(p, end);
  Cluster cluster(class_of(c.code_point));
  for (p += c.size_bytes; p < end; p += c.size_bytes) {
    c = decode_utf8(p, end);
    const GraphemeClass next = class_of(c.code_point);
    if (!cluster.takes(next)) break;
    cluster.add(next);
  }
  return p;
}

}  // namespace rmkv
