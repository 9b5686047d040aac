// Sampler stages written down as their definitions read: full sorts, doubles, no shared code with
// core/sample.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <numeric>
#include <vector>

namespace naive {

// Tokens still in the race: id -> logit.
using Field = std::map<int32_t, double>;

inline Field field_of(const std::vector<float>& logits) {
  Field field;
  for (size_t i = 0; i < logits.size(); ++i) field[static_cast<int32_t>(i)] = logits[i];
  return field;
}

inline std::map<int32_t, double> probabilities(const Field& field) {
  double highest = -1e300, sum = 0;
  for (const auto& [id, logit] : field) highest = std::max(highest, logit);
  std::map<int32_t, double> p;
  for (const auto& [id, logit] : field) sum += p[id] = std::exp(logit - highest);
  for (auto& entry : p) entry.second /= sum;
  return p;
}

// Ids by a key, smallest first, ties by id.
inline std::vector<int32_t> ranked(const std::map<int32_t, double>& keys) {
  std::vector<int32_t> ids;
  for (const auto& entry : keys) ids.push_back(entry.first);
  std::stable_sort(ids.begin(), ids.end(),
                   [&](int32_t a, int32_t b) { return keys.at(a) < keys.at(b); });
  return ids;
}

inline Field keep(const Field& field, const std::vector<int32_t>& ids, size_t count) {
  Field kept;
  for (size_t i = 0; i < count; ++i) kept[ids[i]] = field.at(ids[i]);
  return kept;
}

inline Field keep_mass(const Field& field, const std::map<int32_t, double>& keys, double p) {
  const auto chances = probabilities(field);
  const auto ids = ranked(keys);
  double mass = 0;
  size_t count = 0;
  while (count < ids.size() && (count == 0 || mass < p)) mass += chances.at(ids[count++]);
  return keep(field, ids, count);
}

inline Field top_k(const Field& field, size_t k) {
  std::map<int32_t, double> keys;
  for (const auto& [id, logit] : field) keys[id] = -logit;
  return keep(field, ranked(keys), std::min(k, field.size()));
}

inline Field top_p(const Field& field, double p) {
  std::map<int32_t, double> keys;
  for (const auto& [id, logit] : field) keys[id] = -logit;
  return keep_mass(field, keys, p);
}

inline Field typical(const Field& field, double p) {
  const auto chances = probabilities(field);
  double entropy = 0;
  for (const auto& entry : chances) {
    if (entry.second > 0) entropy -= entry.second * std::log(entry.second);
  }
  std::map<int32_t, double> keys;
  for (const auto& [id, chance] : chances) keys[id] = std::abs(-std::log(chance) - entropy);
  return keep_mass(field, keys, p);
}

inline Field min_p(const Field& field, double share) {
  const auto chances = probabilities(field);
  double best = 0;
  for (const auto& entry : chances) best = std::max(best, entry.second);
  Field kept;
  for (const auto& [id, logit] : field) {
    if (chances.at(id) >= share * best) kept[id] = logit;
  }
  return kept;
}

inline Field top_n_sigma(const Field& field, double n) {
  double mean = 0, variance = 0, best = -1e300;
  for (const auto& [id, logit] : field) mean += logit / static_cast<double>(field.size());
  for (const auto& [id, logit] : field) {
    variance += (logit - mean) * (logit - mean) / static_cast<double>(field.size());
    best = std::max(best, logit);
  }
  Field kept;
  for (const auto& [id, logit] : field) {
    if (logit >= best - n * std::sqrt(variance)) kept[id] = logit;
  }
  return kept;
}

inline Field xtc(const Field& field, double threshold) {
  const auto chances = probabilities(field);
  std::map<int32_t, double> above;
  for (const auto& [id, chance] : chances) {
    if (chance >= threshold) above[id] = -field.at(id);
  }
  Field kept = field;
  const auto ids = ranked(above);
  for (size_t i = 0; i + 1 < ids.size(); ++i) kept.erase(ids[i]);
  return kept;
}

inline Field penalised(Field field, double repetition, double presence, double frequency,
                       const std::vector<int32_t>& seen) {
  for (auto& [id, logit] : field) {
    const auto count = std::count(seen.begin(), seen.end(), id);
    if (count == 0) continue;
    logit = logit > 0 ? logit / repetition : logit * repetition;
    logit -= frequency * static_cast<double>(count) + presence;
  }
  return field;
}

// For every token: the longest suffix of the text that occurred before, followed by that token.
inline Field dry(Field field, double multiplier, double base, int64_t allowed,
                 const std::vector<int32_t>& text) {
  const int64_t n = static_cast<int64_t>(text.size());
  for (auto& [id, logit] : field) {
    int64_t longest = 0;
    for (int64_t place = 1; place < n; ++place) {
      if (text[static_cast<size_t>(place)] != id) continue;
      int64_t length = 0;
      while (length < place && text[static_cast<size_t>(place - 1 - length)] ==
                                   text[static_cast<size_t>(n - 1 - length)]) {
        ++length;
      }
      longest = std::max(longest, length);
    }
    if (longest >= allowed) {
      logit -= multiplier * std::pow(base, static_cast<double>(longest - allowed));
    }
  }
  return field;
}

}  // namespace naive
