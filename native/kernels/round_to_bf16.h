#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

namespace rank_distillm {

// c10::BFloat16's conversions on integers: the compiler vectorizes loops over them.

inline float widen_bf16(uint16_t bf16) {
  const uint32_t bits = static_cast<uint32_t>(bf16) << 16;
  float value;
  std::memcpy(&value, &bits, sizeof(value));
  return value;
}

/// To nearest, ties to even; NaN stays NaN.
inline uint16_t round_to_bf16(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof(bits));
  const uint32_t rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
  return std::isnan(value) ? uint16_t{0x7fc0} : static_cast<uint16_t>(rounded);
}

}  // namespace rank_distillm
