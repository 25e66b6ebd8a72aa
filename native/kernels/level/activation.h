#pragma once

#include "kernels/kernels.h"
#include "kernels/level/vector.h"

namespace rank_distillm::RANK_DISTILLM_LEVEL {

/// x Φ(x) with erf by Abramowitz and Stegun 7.1.26, absolute error 2e-7.
RD_INLINE F gelu(F x) {
  const F z = magnitude(x);
  const F t = 1 / (1 + (0.3275911F * 0.707106781F) * z);
  const F tail = t *
                 (0.254829592F + t * (-0.284496736F + t * (1.421413741F + t * (-1.453152027F + t * 1.061405429F)))) *
                 exp2_negative(z * z * -0.721347520F);
  return 0.5F * (x + z * (1 - tail));
}

/// 0.5 x (1 + tanh(√(2/π) (x + 0.044715 x³))), tanh from 2^-|2y|.
RD_INLINE F gelu_tanh(F x) {
  const F y = 0.797884561F * (x + 0.044715F * x * x * x);
  const F shrink = exp2_negative(magnitude(y) * -2.88539008F);
  const F size = (1 - shrink) / (1 + shrink);
  return 0.5F * x * (1 + (y < 0 ? -size : size));
}

/// Φ(x) + x φ(x), Φ by the same formula as above.
RD_INLINE F gelu_slope(F x) {
  const F z = magnitude(x);
  const F t = 1 / (1 + (0.3275911F * 0.707106781F) * z);
  const F bell = exp2_negative(z * z * -0.721347520F);
  const F tail = 0.5F * t *
                 (0.254829592F + t * (-0.284496736F + t * (1.421413741F + t * (-1.453152027F + t * 1.061405429F)))) *
                 bell;
  return (x < 0 ? tail : 1 - tail) + x * bell * 0.398942280F;
}

RD_INLINE F gelu_tanh_slope(F x) {
  const F y = 0.797884561F * (x + 0.044715F * x * x * x);
  const F shrink = exp2_negative(magnitude(y) * -2.88539008F);
  const F size = (1 - shrink) / (1 + shrink);
  const F tanh = y < 0 ? -size : size;
  return 0.5F * (1 + tanh) + 0.5F * x * (1 - tanh * tanh) * (0.797884561F + 0.107032224F * x * x);
}

template <TileEnd end>
RD_INLINE F activated(F x) {
  if constexpr (end == TileEnd::gelu) return gelu(x);
  if constexpr (end == TileEnd::gelu_tanh) return gelu_tanh(x);
  if constexpr (end == TileEnd::relu) return max(x, F{});
  return x;
}

/// The slope of an activation at x.
template <TileEnd end>
RD_INLINE F slope(F x) {
  if constexpr (end == TileEnd::gelu_slope) return gelu_slope(x);
  if constexpr (end == TileEnd::gelu_tanh_slope) return gelu_tanh_slope(x);
  return x <= 0 ? F{} : all(1.0F);
}

}  // namespace rank_distillm::RANK_DISTILLM_LEVEL
