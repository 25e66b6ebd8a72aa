#pragma once

#include "kernels/kernels.h"
#include "kernels/level/dot_product.h"

namespace rank_distillm::RANK_DISTILLM_LEVEL {

/// Σ coefficients[i] · xⁱ with separate sums of even and odd powers, which a processor computes in parallel.
template <size_t count, class V>
RD_INLINE V polynomial(const float (&coefficients)[count], V x) {
  constexpr int last = static_cast<int>(count) - 1;
  const V square = x * x;
  // of the powers last, last - 2, … and the others
  V sums[2] = {square * coefficients[last] + coefficients[last - 2],
               square * coefficients[last - 1] + coefficients[last - 3]};
  unroll<last - 3>(
      [&](auto i) __attribute__((always_inline)) { sums[i % 2] = sums[i % 2] * square + coefficients[last - 4 - i]; });
  return last % 2 == 1 ? sums[0] * x + sums[1] : sums[1] * x + sums[0];
}

/// Φ(x) - 1/2 and Φ(x) - 1/2 + x φ(x) are odd functions. Both are x times a polynomial of x² up to a bound and ±1/2
/// beyond it; the polynomial's variable maps x² to [-1, 1]. The polynomials minimize the result's error. A version with
/// a division and a power took 1.6 times as long.
///
/// x Φ(x) with an absolute error of 4e-7.
template <class V>
RD_INLINE V gelu(V x) {
  constexpr float bound = 5.4F, to_variable = 2 / (bound * bound);
  constexpr float half_minus[] = {0.130928114F,   -0.0653279871F,  0.0484994017F,  -0.0392093249F,   0.0321210288F,
                                  -0.0257218275F, 0.0196087863F,   -0.0140648288F, 0.00978676043F,   -0.00651519652F,
                                  0.00340804085F, -0.00137329474F, 0.00109929079F, -0.000962015765F, 0.000315637415F};
  const V above = max(x, broadcast(-bound)), inside = min(above, broadcast(bound));
  const V share = inside * polynomial(half_minus, inside * inside * to_variable - 1.0F) + 0.5F;
  return above * share;
}

/// x Φ(x) with an absolute error of 1e-4, for results that are rounded to bf16, which moves one of size 0.05 as far. At
/// ±bound it meets 0 and x.
template <class V>
RD_INLINE V coarse_gelu(V x) {
  constexpr float bound = 4.2F;
  constexpr float half_minus[] = {0.398465902F,   -0.065528214F,   0.00929823238F,  -0.000950657879F,
                                  6.6890716e-05F, -3.0379324e-06F, 7.94134039e-08F, -9.01753283e-10F};
  const V above = max(x, broadcast(-bound)), inside = min(above, broadcast(bound));
  return above * (inside * polynomial(half_minus, inside * inside) + 0.5F);
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
  return inside * polynomial(half_minus, inside * inside * to_variable - 1.0F) + 0.5F;
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

template <Epilogue epilogue, class Stored, int count>
RD_INLINE Several<count> activated(const Several<count>& x) {
  if constexpr (epilogue == Epilogue::gelu && std::is_same_v<Stored, BFloat16>) {
    return coarse_gelu(x);
  } else if constexpr (epilogue == Epilogue::gelu) {
    return gelu(x);
  } else {
    Several<count> result = {};
    unroll<count>([&](auto i) __attribute__((always_inline)) { result.each[i] = activated<epilogue>(x.each[i]); });
    return result;
  }
}

/// The derivative of an activation at x.
template <Epilogue epilogue>
RD_INLINE F slope(F x) {
  if constexpr (epilogue == Epilogue::gelu_slope) return gelu_slope(x);
  if constexpr (epilogue == Epilogue::gelu_tanh_slope) return gelu_tanh_slope(x);
  return x <= 0 ? F{} : broadcast(1.0F);
}

}  // namespace rank_distillm::RANK_DISTILLM_LEVEL
