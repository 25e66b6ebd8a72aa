#pragma once

/// Compiles a function once for each instruction set and picks one when the addon is loaded, so that plain loops run
/// on 512-bit registers without a prebuilt binary that needs them. Sanitizers start before such picks can be made.
#if defined(__SANITIZE_ADDRESS__)
#define RANK_DISTILLM_VECTORIZE
#else
#define RANK_DISTILLM_VECTORIZE __attribute__((target_clones("avx512f", "avx2", "default")))
#endif

namespace rank_distillm {

/// Independent sums that a loop keeps, so that the compiler may put them in one register without reordering a sum.
constexpr int vector_lanes = 16;

}  // namespace rank_distillm
