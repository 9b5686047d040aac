// The chain: bias and bans, the stages in their order, one draw.
#include "core/sample/sampler.h"

#include <algorithm>
#include <cmath>

#include "core/base/error.h"
#include "core/base/random.h"
#include "core/sample/stages.h"

namespace rmkv {

struct Sampler::Scratch {
  Candidates candidates;
  std::vector<float> logits;
  std::vector<int32_t> tokens;
  std::vector<int64_t> repeats;
};

namespace {

void check_ids(const std::vector<int64_t>& ids, int64_t vocabulary, const std::string& name) {
  for (int64_t id : ids) {
    if (id < 0 || id >= vocabulary) {
      fail("sampler." + name, "id " + std::to_string(id),
           "ids in [0, " + std::to_string(vocabulary) + ")");
    }
  }
}

void check_options(const SamplerOptions& options, int64_t vocabulary) {
  check_ids(options.banned, vocabulary, "banned");
  check_ids(options.allowed, vocabulary, "allowed");
  std::vector<int64_t> biased;
  for (const auto& entry : options.bias) biased.push_back(entry.first);
  check_ids(biased, vocabulary, "bias");
}

}  // namespace

std::vector<TokenChance> most_likely(std::span<const float> logits, int64_t count) {
  Candidates candidates;
  candidates.assign(logits);
  const double highest = candidates.best().logit, sum = candidates.weights().sum;
  if (count <= 0) return {};
  candidates.keep_count(count);
  std::vector<Candidate> best = candidates.items();
  std::sort(best.begin(), best.end(), more_likely);
  std::vector<TokenChance> chances;
  for (const Candidate& item : best) {
    chances.push_back({item.id, std::exp(item.logit - highest) / sum});
  }
  return chances;
}

Sampler::Sampler(SamplerOptions options, int64_t vocabulary)
    : vocabulary_(vocabulary), scratch_(std::make_shared<Scratch>()) {
  set_options(std::move(options));
}

void Sampler::set_options(SamplerOptions options) {
  check_options(options, vocabulary_);
  options_ = std::make_shared<const SamplerOptions>(std::move(options));
}

void Sampler::reseed(int64_t seed) {
  SamplerOptions options = *options_;
  options.seed = seed;
  options_ = std::make_shared<const SamplerOptions>(std::move(options));
}

int32_t Sampler::sample(std::span<const float> logits, std::span<const int64_t> not_now) {
  const SamplerOptions& options = *options_;
  if (static_cast<int64_t>(logits.size()) != vocabulary_) {
    fail("sampler", std::to_string(logits.size()) + " logits", std::to_string(vocabulary_));
  }
  std::vector<float>& work = scratch_->logits;
  if (options.allowed.empty()) {
    work.assign(logits.begin(), logits.end());
  } else {
    work.assign(logits.size(), -INFINITY);
    for (int64_t id : options.allowed) {
      work[static_cast<size_t>(id)] = logits[static_cast<size_t>(id)];
    }
  }
  for (const auto& [id, number] : options.bias) {
    work[static_cast<size_t>(id)] += static_cast<float>(number);
  }
  for (int64_t id : options.banned) work[static_cast<size_t>(id)] = -INFINITY;
  for (int64_t id : not_now) work[static_cast<size_t>(id)] = -INFINITY;

  Candidates& candidates = scratch_->candidates;
  candidates.assign(work);
  RandomStream random(static_cast<uint64_t>(options.seed), "sample", step_++);
  const double chance = random.uniform(), dice = random.uniform();
  const bool greedy = options.temperature == 0;
  for (const std::string& stage : options.order) run_stage(stage, greedy, dice);
  return greedy ? candidates.best().id : draw(candidates, chance);
}

void Sampler::run_stage(const std::string& stage, bool greedy, double dice) {
  const SamplerOptions& o = *options_;
  Candidates& candidates = scratch_->candidates;
  if (stage == "penalties") {
    Penalties penalties{o.repetition_penalty, o.presence_penalty, o.frequency_penalty};
    if (penalties.repetition != 1 || penalties.presence != 0 || penalties.frequency != 0) {
      apply_penalties(candidates, penalties, last_tokens(o.penalty_window), scratch_->tokens);
    }
  } else if (stage == "dry") {
    DryOptions dry{o.dry_multiplier, o.dry_base, o.dry_allowed_length};
    if (dry.multiplier > 0) {
      apply_dry(candidates, dry, last_tokens(o.dry_window), scratch_->repeats);
    }
  } else if (greedy) {
    return;  // truncation and temperature do not matter to the largest logit
  } else if (stage == "top_n_sigma") {
    if (o.top_n_sigma > 0) apply_top_n_sigma(candidates, o.top_n_sigma);
  } else if (stage == "top_k") {
    if (o.top_k > 0) apply_top_k(candidates, o.top_k);
  } else if (stage == "typical_p") {
    if (o.typical_p < 1) apply_typical(candidates, o.typical_p);
  } else if (stage == "top_p") {
    if (o.top_p < 1) apply_top_p(candidates, o.top_p);
  } else if (stage == "min_p") {
    if (o.min_p > 0) apply_min_p(candidates, o.min_p);
  } else if (stage == "xtc") {
    if (dice < o.xtc_probability) apply_xtc(candidates, o.xtc_threshold);
  } else if (stage == "temperature") {
    if (o.temperature != 1) apply_temperature(candidates, o.temperature);
  }
}

void Sampler::accept(int32_t id) {
  const size_t window =
      static_cast<size_t>(std::max(options_->penalty_window, options_->dry_window));
  // Cutting back only when twice the window is full makes the move cost one copy a token.
  if (recent_.size() >= 2 * window && !recent_.empty()) {
    recent_.erase(recent_.begin(), recent_.end() - static_cast<ptrdiff_t>(window));
  }
  if (window > 0) recent_.push_back(id);
}

std::span<const int32_t> Sampler::last_tokens(int64_t count) const {
  size_t kept = std::min(recent_.size(), static_cast<size_t>(count));
  return {recent_.data() + (recent_.size() - kept), kept};
}

Sampler::Progress Sampler::progress() const {
  auto recent = last_tokens(std::max(options_->penalty_window, options_->dry_window));
  return {step_, {recent.begin(), recent.end()}};
}

void Sampler::restore(const Progress& progress) {
  step_ = progress.step;
  recent_ = progress.recent;
}

}  // namespace rmkv
