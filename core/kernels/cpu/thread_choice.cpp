// See thread_choice.h.
#include "core/kernels/cpu/thread_choice.h"

#include <algorithm>

namespace rmkv::kernels::cpu {
namespace {

constexpr int64_t kTrialCalls = 4;   // counted calls of a trial
constexpr int64_t kLeastCalls = 64;  // between trials
constexpr double kPause = 60;        // time between trials, in costs of the last: 2 % are lost
constexpr double kMemory = 0.8;      // weight of the past in the usual time
constexpr double kGain = 0.95;       // a trial that is not faster than this changes nothing

}  // namespace

ThreadChoice::ThreadChoice(int first, int most)
    : threads_(std::clamp(first, 1, std::max(most, 1))), most_(std::max(most, 1)) {}

void ThreadChoice::note(double seconds) {
  if (most_ == 1) return;
  ++calls_;
  if (trial_ == 0) {
    usual_ = usual_ == 0 ? seconds : kMemory * usual_ + (1 - kMemory) * seconds;
    since_ += seconds;
    if (calls_ >= kLeastCalls && since_ >= kPause * cost_) begin_trial();
    return;
  }
  cost_ += seconds;
  if (calls_ > 1) trial_seconds_ += seconds;
  const bool worse = trial_seconds_ > usual_ * kGain * kTrialCalls;
  if (worse || calls_ > kTrialCalls) end_trial(!worse);
}

void ThreadChoice::begin_trial() {
  if (threads_ == 1) upwards_ = true;
  if (threads_ == most_) upwards_ = false;
  trial_ = upwards_ ? std::min(2 * threads_, most_) : (threads_ + 1) / 2;
  calls_ = 0;
  cost_ = trial_seconds_ = 0;
}

void ThreadChoice::end_trial(bool better) {
  if (better) {
    threads_ = trial_;
    usual_ = trial_seconds_ / kTrialCalls;
    cost_ = 0;
  } else {
    upwards_ = !upwards_;
  }
  trial_ = 0;
  calls_ = 0;
  since_ = 0;
}

}  // namespace rmkv::kernels::cpu
