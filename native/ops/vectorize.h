#pragma once

#include <climits>  // any header of the C library defines __GLIBC__

/// Compiles a function once per instruction set and selects one when the addon is loaded, so that a prebuilt binary
/// uses 512-bit registers where there are any. Not with sanitizers, which start before the selection can run, nor on
/// arm64, whose vectors have one size, nor with musl, whose loader cannot select.
#if defined(__SANITIZE_ADDRESS__) || !defined(__x86_64__) || !defined(__GLIBC__)
#define RANK_DISTILLM_VECTORIZE
#else
#define RANK_DISTILLM_VECTORIZE __attribute__((target_clones("avx512f", "avx2", "default")))
#endif

namespace rank_distillm {

/// Independent sums of a loop: the compiler can keep them in one register without reordering a sum.
constexpr int vector_lanes = 16;

}  // namespace rank_distillm
