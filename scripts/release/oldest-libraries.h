// Included before every file of the package for GPUs. g++ compiles it with the headers of a newer Linux than
// platforms.mjs allows; this leaves out what they would use of newer C and C++ libraries.
#pragma once
#include <bits/c++config.h>

// pthread_cond_clockwait is of glibc 2.30. Without it libstdc++ waits by the system's clock and checks
// std::chrono::steady_clock.
#undef _GLIBCXX_USE_PTHREAD_COND_CLOCKWAIT

// glibc 2.32: a variable that tells std::shared_ptr whether it may count without atomic instructions. It never may.
#define _SYS_SINGLE_THREADED_H
static constexpr char __libc_single_threaded = 0;

// g++ 12 has a newer version of this function, which differs only for cancelled threads.
__asm__(
    ".symver _ZNSt18condition_variable4waitERSt11unique_lockISt5mutexE,"
    "_ZNSt18condition_variable4waitERSt11unique_lockISt5mutexE@GLIBCXX_3.4.11");

// In C++20 std::ostringstream::str calls a function that g++ 11's library was the first to have (GLIBCXX_3.4.29). This puts it
// into the engine.
#if __cplusplus >= 202002L
#include <sstream>
template std::string std::stringbuf::str() const&;
#endif
