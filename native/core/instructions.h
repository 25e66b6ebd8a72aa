#pragma once

// Instructions that every architecture has under another name.

#include <cstdint>

#if defined(__x86_64__)
#include <x86intrin.h>
#endif

namespace rank_distillm {

/// Ticks of a clock that every core reads in a few nanoseconds: x86's time-stamp counter, or arm64's virtual counter,
/// which is slower (24 MHz to 1 GHz).
[[gnu::always_inline]] inline uint64_t clock_ticks() {
#if defined(__x86_64__)
  return __rdtsc();
#else
  uint64_t ticks;
  asm volatile("mrs %0, cntvct_el0" : "=r"(ticks));
  return ticks;
#endif
}

/// In a loop that waits for another thread: lets the core's other hyper-thread run.
[[gnu::always_inline]] inline void spin_pause() {
#if defined(__x86_64__)
  _mm_pause();
#else
  asm volatile("yield");
#endif
}

}  // namespace rank_distillm
