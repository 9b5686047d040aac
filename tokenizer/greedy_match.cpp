// Lanes within a thread, parts for threads, and the joint between two searches.
#include "tokenizer/greedy_match.h"

#include <algorithm>
#include <array>
#include <span>

#include "tokenizer/huge_pages.h"
#include "tokenizer/in_order.h"

namespace rmkv {
namespace {

constexpr size_t kLanes = 2;  // with more their state does not fit the registers
constexpr size_t kLaneBytes = 4096;
constexpr int kStepsAtOnce = 8;  // between two looks at where the lanes are
// What one thread takes at a time of a long text.
constexpr size_t kPartBytes = size_t{1} << 18;

// The keys found from `begin` on; the last one ends at `end`.
struct Found {
  const char* begin;
  const char* end;
  std::span<const int32_t> ids;
};

// Appends `found` behind what ends at `at`, a place at or behind found.begin; returns where the
// keys end now.
const char* join(const ByteTrie& trie, const char* at, const char* text_end, const Found& found,
                 std::vector<int32_t>& ids) {
  const char* theirs = found.begin;
  size_t passed = 0;  // keys of `found` before `theirs`
  while (at != theirs) {
    if (theirs < at) {
      if (theirs == found.end) return at;  // they never met; the next search goes on from here
      theirs += trie.longest_prefix(theirs, text_end).size_bytes;
      ++passed;
    } else {
      const ByteTrie::Match match = trie.longest_prefix(at, text_end);
      ids.push_back(match.value);
      at += match.size_bytes;
    }
  }
  const auto rest = found.ids.subspan(passed);
  ids.insert(ids.end(), rest.begin(), rest.end());
  return found.end;
}

// One search after the other until `stop`; returns where the last key ends.
const char* match_plainly(const ByteTrie& trie, const char* p, const char* stop,
                          const char* text_end, int32_t*& out) {
  while (p < stop) {
    const ByteTrie::Match match = trie.longest_prefix(p, text_end);
    *out++ = match.value;
    p += match.size_bytes;
  }
  return p;
}

struct Lane {
  ByteTrie::Cursor cursor;
  const char* begin;
  const char* stop;
  uint32_t* out;
};

// Moves the lanes until one comes to its end.
void run_lanes(const ByteTrie& trie, std::array<Lane, kLanes>& lanes) {
  const auto ready = [&] {
    bool inside = true;
    for (const Lane& lane : lanes) inside &= lane.cursor.next < lane.stop;
    return inside;
  };
  while (ready()) {
    for (int turn = 0; turn < kStepsAtOnce; ++turn) {
#pragma GCC unroll 8
      for (Lane& lane : lanes) lane.out += trie.step(lane.cursor, lane.out);
    }
  }
}

// Keys from `p` until one ends at or behind `stop`; returns where it ends.
const char* match_in_lanes(const ByteTrie& trie, const char* p, const char* stop,
                           const char* text_end, std::vector<int32_t>& ids) {
  // A key has a byte at least; the last steps may find some more.
  constexpr size_t kLaneIds = kLaneBytes + 2 * kStepsAtOnce;
  std::array<uint32_t, kLanes * kLaneIds> places;
  std::array<int32_t, kLaneIds> found;
  // So far do steps read behind a lane's end.
  const size_t margin = trie.longest_key() + 4 * kStepsAtOnce;
  const auto left = [&] { return static_cast<size_t>(text_end - p); };
  while (p < stop && static_cast<size_t>(stop - p) >= kLanes * kLaneBytes &&
         left() >= kLanes * kLaneBytes + margin) {
    std::array<Lane, kLanes> lanes;
    for (size_t i = 0; i < kLanes; ++i) {
      const char* const begin = p + i * kLaneBytes;
      lanes[i] = {trie.cursor(begin), begin, begin + kLaneBytes, places.data() + i * kLaneIds};
    }
    run_lanes(trie, lanes);
    for (size_t i = 0; i < kLanes; ++i) {
      Lane& lane = lanes[i];
      uint32_t* const first = places.data() + i * kLaneIds;
      // To the end of the key that it is in.
      while (trie.step(lane.cursor, lane.out) == 0) {
      }
      ++lane.out;
      int32_t* out = std::transform(first, lane.out, found.data(),
                                    [&](uint32_t place) { return trie.value_at(place); });
      const char* const end = match_plainly(trie, lane.cursor.next - 2, lane.stop, text_end, out);
      p = join(trie, p, text_end, {lane.begin, end, {found.data(), out}}, ids);
    }
  }
  while (p < stop) {
    int32_t* out = found.data();
    p = match_plainly(trie, p, std::min(stop, p + kLaneBytes), text_end, out);
    ids.insert(ids.end(), found.data(), out);
  }
  return p;
}

}  // namespace

void match_greedily(const ByteTrie& trie, std::string_view text, int threads,
                    std::vector<int32_t>& ids) {
  const char* const begin = text.data();
  const char* const end = begin + text.size();
  ask_for_huge_pages(ids.data() + ids.size(), (ids.capacity() - ids.size()) * sizeof(int32_t));
  if (threads <= 1 || text.size() < 2 * kPartBytes) {
    match_in_lanes(trie, begin, end, end, ids);
    return;
  }
  struct Part {
    Found found;
    std::vector<int32_t> ids;
  };
  std::vector<Part> parts((text.size() + kPartBytes - 1) / kPartBytes);
  SpareBuffers buffers;
  const auto search = [&](size_t i, size_t /*thread*/) {
    const char* const first = begin + i * kPartBytes;
    const char* const stop = first + std::min(kPartBytes, static_cast<size_t>(end - first));
    Part& part = parts[i];
    part.ids = buffers.take(kPartBytes / 3);
    const char* const last = match_in_lanes(trie, first, stop, end, part.ids);
    part.found = {first, last, part.ids};
  };
  const char* at = begin;
  const auto append = [&](size_t i) {
    at = join(trie, at, end, parts[i].found, ids);
    buffers.give(std::move(parts[i].ids));
  };
  run_in_order(parts.size(), threads, search, append);
}

}  // namespace rmkv
