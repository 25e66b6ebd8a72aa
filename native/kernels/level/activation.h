#pragma once

#include "kernels/kernels.h"
#include "kernels/level/vector.h"

namespace rank_distillm::RANK_DISTILLM_LEVEL {

/// Σ coefficients[i] · xⁱ with separate sums of even and odd powers, which a processor computes in parallel.
template <size_t count>
RD_INLINE F polynomial(const float (&coefficients)[count], F x) {
  constexpr int last = static_cast<int>(count) - 1;
  const F square = x * x;
  F sums[2] = {broadcast(coefficients[last]),
               broadcast(coefficients[last - 1])};  // of the powers last, last - 2, … and the others
  unroll<last - 1>(
      [&](auto i) __attribute__((always_inline)) { sums[i % 2] = sums[i % 2] * square + coefficients[last - 2 - i]; });
  return last % 2 == 1 ? sums[0] * x + sums[1] : sums[1] * x + sums[0];
}

/// Φ(x) - 1/2 and Φ(x) - 1/2 + x φ(x) are odd functions. Both are x times a polynomial of x² up to a bound and ±1/2
/// beyond it; the polynomial's variable maps x² to [-1, 1]. The polynomials minimize the result's error. A version with
/// a division and a power took 1.6 times as long.
///
/// x Φ(x) with an absolute error of 4e-7.
RD_INLINE F gelu(F x) {
  constexpr float bound = 5.4F, to_variable = 2 / (bound * bound);
  constexpr float half_minus[] = {0.130928114F,   -0.0653279871F,  0.0484994017F,  -0.0392093249F,   0.0321210288F,
                                  -0.0257218275F, 0.0196087863F,   -0.0140648288F, 0.00978676043F,   -0.00651519652F,
                                  0.00340804085F, -0.00137329474F, 0.00109929079F, -0.000962015765F, 0.000315637415F};
  const F above = max(x, broadcast(-bound)), inside = min(above, broadcast(bound));
  const F share = inside * polynomial(half_minus, inside * inside * to_variable - 1) + 0.5F;
  return above * share;
}

/// 0.5 x (1 + tanh(√(2/π) (x + 0.044715 x³))), with tanh(y) computed from exp(-2|y|).
RD_INLINE F gelu_tanh(F x) {
  const F y = 0.797884561F * (x + 0.044715F * x * x * x);
  const F shrink = exp2_negative(magnitude(y) * -2.88539008F);
  const F size = (1 - shrink) / (1 + shrink);
  return 0.5F * x * (1 + (y < 0 ? -size : size));
}

/// Φ(x) + x φ(x), gelu's derivative, with an absolute error of 5e-7.
RD_INLINE F gelu_slope(F x) {
  constexpr float bound = 5.6F, to_variable = 2 / (bound * bound);
  constexpr float half_minus[] = {0.126416579F,  -0.0642829016F,  0.0518161096F, -0.0509472303F,
                                  0.0565010682F, -0.0651848093F,  0.0732013357F, -0.0721657947F,
                                  0.0600380227F, -0.0558828041F,  0.0575312563F, -0.0321612842F,
                                  0.0018446726F, -0.00690473104F, 0.0162352659F, -0.00676903175F};
  const F inside = min(max(x, broadcast(-bound)), broadcast(bound));
  return inside * polynomial(half_minus, inside * inside * to_variable - 1) + 0.5F;
}

RD_INLINE F gelu_tanh_slope(F x) {
  const F y = 0.797884561F * (x + 0.044715F * x * x * x);
  const F shrink = exp2_negative(magnitude(y) * -2.88539008F);
  const F size = (1 - shrink) / (1 + shrink);
  const F tanh = y < 0 ? -size : size;
  return 0.5F * (1 + tanh) + 0.5F * x * (1 - tanh * tanh) * (0.797884561F + 0.107032224F * x * x);
}

template <Epilogue epilogue>
RD_INLINE F activated(F x) {
  if constexpr (epilogue == Epilogue::gelu) return gelu(x);
  if constexpr (epilogue == Epilogue::gelu_tanh) return gelu_tanh(x);
  if constexpr (epilogue == Epilogue::relu) return max(x, F{});
  return x;
}

/// The derivative of an activation at x.
template <Epilogue epilogue>
RD_INLINE F slope(F x) {
  if constexpr (epilogue == Epilogue::gelu_slope) return gelu_slope(x);
  if constexpr (epilogue == Epilogue::gelu_tanh_slope) return gelu_tanh_slope(x);
  return x <= 0 ? F{} : broadcast(1.0F);
}

}  // namespace rank_distillm::RANK_DISTILLM_LEVEL
