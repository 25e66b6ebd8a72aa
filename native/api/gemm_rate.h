#pragma once

#include <napi.h>

#include <algorithm>
#include <chrono>
#include <cstdint>

#include "kernels/kernels.h"

namespace rank_distillm {

/// A product [m, k] x [k, n].
struct GemmShape {
  int64_t m, n, k;
};

/// The arguments of a measurement that both addons have.
struct GemmCase {
  GemmShape shape;
  ElementType precision;
  int repeats;
};

/// Of (shape, precision, repeats, …).
GemmCase read_gemm_case(const Napi::CallbackInfo& info);

/// In GFLOP/s, the best of `repeats`. One extra call: the first one builds kernels and touches memory.
template <typename Multiply>
double best_rate(const GemmShape& shape, int repeats, const Multiply& multiply) {
  double best = 0;
  for (int i = 0; i <= repeats; ++i) {
    const auto start = std::chrono::steady_clock::now();
    multiply();
    const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
    best = std::max(best, 2e-9 * static_cast<double>(shape.m * shape.n * shape.k) / elapsed.count());
  }
  return best;
}

/// `gemmRate(shape, precision, repeats)`: the rate of the engine's kernels on this machine.
Napi::Value gemm_rate(const Napi::CallbackInfo& info);

}  // namespace rank_distillm
