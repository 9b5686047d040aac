// The window of places and the hand-over between workers and reader.
#include "core/data/read_ahead.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <mutex>

#include "core/base/cancel.h"

namespace rmkv {

namespace {

constexpr int64_t kFirstDepth = 8;
constexpr int64_t kLargestDepth = 256;

// The rule that a length in tokens breaks, or -1.
int rule_of_length(const TokenBounds& bounds, const EncodedDocument& encoded,
                   const StreamVocabulary& vocabulary) {
  if (bounds.rule < 0) return -1;
  auto tokens = static_cast<int64_t>(encoded.tokens.size());
  if (tokens > 0 && vocabulary.end >= 0 && encoded.tokens.back() == vocabulary.end) --tokens;
  return tokens < bounds.least ? bounds.rule : tokens > bounds.most ? bounds.rule + 1 : -1;
}

// Encodes; a failure names the source, of which encode_document knows nothing.
EncodedDocument encode_of(const DocumentSource& source, uint64_t id, const Document& document,
                          const StreamVocabulary& vocabulary) {
  try {
    return encode_document(document, vocabulary);
  } catch (const Interrupted&) {
    throw;
  } catch (const Error& error) {
    throw Error("source " + source.name() + ", document " + std::to_string(id) + ": " +
                error.what());
  }
}

}  // namespace

ReadDocument read_document(const DocumentSource& source, const StreamVocabulary& vocabulary,
                           OrderedDocument document) {
  ReadDocument result;
  result.ordinal = document.ordinal;
  try {
    Document read = source.document(document.id);
    result.bytes = read.text.size();
    result.rule = read.dropped_by;
    if (result.rule < 0) {
      result.encoded = encode_of(source, document.id, read, vocabulary);
      result.encoded.starts = {{0, static_cast<int64_t>(document.id)}};
      result.rule = rule_of_length(read.bounds, result.encoded, vocabulary);
    }
    // One token alone has nothing to predict.
    result.kind = result.rule >= 0                   ? ReadDocument::Kind::kDropped
                  : result.encoded.tokens.size() < 2 ? ReadDocument::Kind::kEmpty
                                                     : ReadDocument::Kind::kGood;
    if (result.rule >= 0) result.encoded = {};
  } catch (const BadDocument& error) {
    result.kind = ReadDocument::Kind::kBad;
    result.reason = error.what();
  }
  return result;
}

struct ReadAhead::Place {
  enum State { kWaiting, kRunning, kDone };

  OrderedDocument document;
  SourcePtr source;  // of the document
  std::atomic<int> state = kWaiting;
  std::mutex mutex;
  std::condition_variable done;
  ReadDocument result;
  std::exception_ptr error;

  bool claim() {
    int expected = kWaiting;
    return state.compare_exchange_strong(expected, kRunning);
  }

  void run(const StreamVocabulary& vocabulary) {
    try {
      result = read_document(*source, vocabulary, document);
    } catch (...) {
      error = std::current_exception();
    }
    std::lock_guard lock(mutex);
    state = kDone;
    done.notify_all();
  }

  void wait() {
    using namespace std::chrono_literals;
    std::unique_lock lock(mutex);
    // Wakes up now and then so that Ctrl-C ends a wait for a source that hangs.
    while (!done.wait_for(lock, 50ms, [this] { return state == kDone; })) check_cancelled("data");
  }
};

ReadAhead::ReadAhead(const DocumentOrder& order, const StreamVocabulary& vocabulary,
                     WorkerPool& pool, int64_t prefetch_tokens)
    : order_(order), vocabulary_(vocabulary), pool_(pool), prefetch_tokens_(prefetch_tokens) {}

ReadAhead::~ReadAhead() {
  drop_window();
}

void ReadAhead::drop_window() {
  // A claimed place is left alone by workers; those that run are waited for, since they refer to
  // this reader.
  for (auto& place : window_) {
    if (place->claim()) continue;
    std::unique_lock lock(place->mutex);
    place->done.wait(lock, [&] { return place->state == Place::kDone; });
  }
  window_.clear();
}

void ReadAhead::start() {
  int64_t mean_tokens = seen_documents_ > 0 ? seen_tokens_ / seen_documents_ + 1 : 0;
  int64_t depth =
      mean_tokens == 0 ? std::min(kFirstDepth, prefetch_tokens_) : prefetch_tokens_ / mean_tokens;
  depth = std::clamp<int64_t>(depth, 1, kLargestDepth);
  while (static_cast<int64_t>(window_.size()) < depth) {
    std::optional<OrderedDocument> document = order_.next(scheduled_);
    if (!document) return;
    scheduled_ = document->ordinal + 1;
    auto place = std::make_shared<Place>();
    place->document = *document;
    place->source = order_.source(document->ordinal);
    window_.push_back(place);
    pool_.submit([this, place] {
      if (place->claim()) place->run(vocabulary_);
    });
    if (prefetch_tokens_ > 0) order_.load_ahead(document->ordinal, pool_);
  }
}

ReadDocument ReadAhead::next() {
  start();
  if (window_.empty()) return {};
  std::shared_ptr<Place> place = window_.front();
  if (place->claim()) {
    place->run(vocabulary_);
  } else {
    place->wait();
  }
  // An error stays at its place: asking again gives it again.
  if (place->error) std::rethrow_exception(place->error);
  window_.pop_front();
  position_ = place->document.ordinal + 1;
  ++seen_documents_;
  seen_tokens_ += static_cast<int64_t>(place->result.encoded.tokens.size());
  return std::move(place->result);
}

void ReadAhead::seek(uint64_t ordinal) {
  drop_window();
  position_ = scheduled_ = ordinal;
}

}  // namespace rmkv
