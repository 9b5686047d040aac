// Where documents come from: a pure function from a number to text.
//
// Everything downstream (order, mixing, resuming) rests on that purity: a document is asked for by
// number, on any thread, any number of times, and is the same each time.  Files, JSON lines and
// lists are here and beside; Lua sources are derived in bindings/.  No tokens here
// (encoded_document.h), no order (document_order.h).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/base/error.h"
#include "core/base/value.h"

namespace rmkv {

// Bytes [begin, end) of a document's text whose loss counts otherwise than once.
struct LossSpan {
  size_t begin = 0;
  size_t end = 0;
  float weight = 0;  // factor on the loss of its tokens; 0: read but not predicted (a prompt)
};

// Tokens that a document must have to be used; what they are is known when it is encoded.
struct TokenBounds {
  int64_t least = 0, most = INT64_MAX;
  int rule = -1;  // of the source's filters: too few; the one behind it: too many; -1: no bounds
};

struct Document {
  std::string text;                  // bytes; nothing requires valid UTF-8
  std::vector<int32_t> tokens;       // instead of text, where a file holds token ids already
  std::vector<LossSpan> loss_spans;  // sorted, disjoint, inside the text; all else counts once
  bool parse_special = true;         // special tokens written in the text become their ids
  bool ends = true;     // false: the text was cut here and goes on elsewhere, so no <end> follows
  int dropped_by = -1;  // place in filter_rules() of the rule by which it is not used; -1: it is
  TokenBounds bounds;
};

// One document that cannot be used, with its coordinates.  Streams set it aside, count it and go
// on, up to a stated share; every other exception ends the stream.
class BadDocument : public Error {
 public:
  using Error::Error;
};

class DocumentSource {
 public:
  static constexpr uint64_t kUnlimited = UINT64_MAX;
  static constexpr uint64_t kUncounted = UINT64_MAX - 1;

  virtual ~DocumentSource() = default;

  // Short and unique in a stream: cursors, reports and random purposes use it.
  virtual std::string name() const = 0;

  // Documents in one pass, at least 1; kUnlimited for generators, kUncounted where only a pass over
  // the data would tell (block_source.h).
  virtual uint64_t document_count() const = 0;

  // The first id from `id` on that names a document; nothing behind the last.  Ids are [0,
  // document_count) here; those of a BlockSource have gaps.
  virtual std::optional<uint64_t> first_from(uint64_t id) const {
    return id < document_count() ? std::optional(id) : std::nullopt;
  }

  // The id of the n-th document, from 0; nothing behind the last.
  virtual std::optional<uint64_t> nth(uint64_t n) const { return first_from(n); }

  // The document `id`.  Called from many threads at once.  Throws BadDocument for a document that
  // is damaged.
  virtual Document document(uint64_t id) const = 0;

  // A number that stays with the document when others are added; decides the validation split.
  virtual uint64_t document_key(uint64_t id) const { return id; }

  // The rules of the source's filters (filter.h); empty without filters.
  virtual std::vector<std::string> filter_rules() const { return {}; }
  // The source with the same ids that this one stands before; null: none.
  virtual std::shared_ptr<const DocumentSource> wrapped() const { return nullptr; }

  // Whether more documents may join between two passes (watched_source.h).
  virtual bool grows() const { return false; }
  // Called once at the end of each pass, with 1, 2, ...: the source from here on, which has this
  // one's documents under the same ids and more behind them; null: nothing joined.
  virtual std::shared_ptr<const DocumentSource> at_look(uint64_t look) const {
    (void)look;
    return nullptr;
  }
  // A hash of what there was at look 0 and has joined until `look`; "" where that is not known.
  virtual std::string joined_until(uint64_t look) const {
    (void)look;
    return "";
  }

  // What the documents depend on: {kind, options..., files = [{path, size, hash}]}.  Equal
  // manifests promise equal documents.
  virtual Table manifest() const = 0;

  // The hash of the manifest, 32 hexadecimal digits.
  std::string fingerprint() const;
};

using SourcePtr = std::shared_ptr<const DocumentSource>;

}  // namespace rmkv
