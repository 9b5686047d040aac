// Error texts and nearest-name search.
#include "core/base/error.h"

#include <algorithm>

namespace rmkv {

namespace {

std::string with_hint(std::string text, std::string_view hint) {
  if (!hint.empty()) text.append("\nhint: ").append(hint);
  return text;
}

// Optimal string alignment distance: insert, delete, replace and swap of neighbours cost 1 each.
size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::vector<size_t>> cost(a.size() + 1, std::vector<size_t>(b.size() + 1));
  for (size_t i = 0; i <= a.size(); ++i) cost[i][0] = i;
  for (size_t j = 0; j <= b.size(); ++j) cost[0][j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    for (size_t j = 1; j <= b.size(); ++j) {
      size_t replace = cost[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      cost[i][j] = std::min({cost[i - 1][j] + 1, cost[i][j - 1] + 1, replace});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        cost[i][j] = std::min(cost[i][j], cost[i - 2][j - 2] + 1);
      }
    }
  }
  return cost[a.size()][b.size()];
}

}  // namespace

void fail(std::string_view where, std::string_view got, std::string_view expected,
          std::string_view hint) {
  std::string text(where);
  text.append(": got ").append(got).append(", expected ").append(expected);
  throw Error(with_hint(std::move(text), hint));
}

void fail_because(std::string_view where, std::string_view message, std::string_view hint) {
  std::string text(where);
  text.append(": ").append(message);
  throw Error(with_hint(std::move(text), hint));
}

void assertion_failed(const char* condition, const char* file, int line) {
  throw std::logic_error("internal error: " + std::string(condition) + " does not hold (" + file +
                         ":" + std::to_string(line) + "); please report it");
}

std::string nearest_name(std::string_view name, const std::vector<std::string>& candidates) {
  std::string best;
  size_t best_distance = std::max<size_t>(1, name.size() / 3) + 1;
  for (const std::string& candidate : candidates) {
    size_t distance = edit_distance(name, candidate);
    if (distance < best_distance) {
      best_distance = distance;
      best = candidate;
    }
  }
  return best;
}

std::string unknown_name_text(std::string_view kind, std::string_view name,
                              const std::vector<std::string>& valid) {
  std::string text = "unknown " + std::string(kind) + " '" + std::string(name) + "'";
  std::string near = nearest_name(name, valid);
  if (!near.empty()) text += "; did you mean '" + near + "'?";
  // More names than anybody reads are cut, and dropped where the nearest one says it all.
  constexpr size_t kMostNames = 40;
  const size_t shown = valid.size() <= kMostNames ? valid.size() : near.empty() ? kMostNames : 0;
  if (shown == 0) return text;
  text += " (valid:";
  for (size_t i = 0; i < shown; ++i) text += (i ? ", " : " ") + valid[i];
  if (shown < valid.size()) text += ", and " + std::to_string(valid.size() - shown) + " more";
  return text + ")";
}

}  // namespace rmkv
