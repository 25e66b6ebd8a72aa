#pragma once

#include <cstdint>

namespace rank_distillm {

/// What the linear layers multiply; sums, softmax, LayerNorm statistics and the head are float32 in all.
enum class Precision : uint8_t { float32, bfloat16, int8 };

inline const char* name_of(Precision precision) {
  return precision == Precision::bfloat16 ? "bfloat16" : precision == Precision::int8 ? "int8" : "float32";
}

}  // namespace rank_distillm
