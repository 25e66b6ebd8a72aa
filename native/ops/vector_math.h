#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>

namespace rank_distillm {

// Plain functions that the compiler puts into vector registers when they stand in a loop.

/// exp(x) for x <= 0, relative error 1e-7: 2^n from the exponent bits, e^f by its series. ln 2 is taken off in two
/// parts, so that f is exact to the last bit whatever x is (Cody and Waite 1980).
inline float exp_negative(float x) {
  const float bounded = std::max(x, -87.0F);
  const float whole = std::floor(bounded * 1.44269504F + 0.5F);
  const float f = (bounded - whole * 0.693359375F) + whole * 2.12194440e-4F;
  const float series =
      1 + f * (1 + f * (1 / 2.F + f * (1 / 6.F + f * (1 / 24.F + f * (1 / 120.F + f * (1 / 720.F + f / 5040.F))))));
  const uint32_t bits = static_cast<uint32_t>(static_cast<int32_t>(whole) + 127) << 23;
  float power;
  std::memcpy(&power, &bits, sizeof(power));
  return power * series;
}

}  // namespace rank_distillm
