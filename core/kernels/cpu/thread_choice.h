// How many threads a repeated small job should take, found by the clock.
//
// More threads help as long as the work between two barriers costs more than a barrier, and as long
// as there are idle cores: on a busy machine a team waits for whichever of its threads is not
// running, and one thread can be twenty times as fast as two.  Neither can be known beforehand, so
// now and then a few calls are made with half or twice as many threads, and the faster number
// stays.  Only for jobs whose result does not depend on the number.
// Not here: the threads themselves (thread_team.h).
#pragma once

#include <cstdint>

namespace rmkv::kernels::cpu {

class ThreadChoice {
 public:
  // Up to `most` threads, beginning with `first` of them.
  ThreadChoice(int first, int most);

  // Of the next call.
  int threads() const { return trial_ > 0 ? trial_ : threads_; }
  // What that call took.
  void note(double seconds);

 private:
  void begin_trial();
  void end_trial(bool better);

  int threads_, most_;
  int trial_ = 0;             // threads of the trial; 0: none goes on
  bool upwards_ = false;      // where the next trial goes
  int64_t calls_ = 0;         // of the trial, or since the last one
  double since_ = 0;          // seconds since the last trial
  double cost_ = 0;           // seconds of the last trial, or of this one so far
  double trial_seconds_ = 0;  // the same without its first call, which wakes threads
  double usual_ = 0;          // seconds of a call with threads_, lately
};

}  // namespace rmkv::kernels::cpu
