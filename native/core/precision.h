#pragma once

#include <cstdint>

namespace rank_distillm {

/// What the linear layers multiply; sums, softmax, LayerNorm statistics and the head are float32 in all.
enum class Precision : uint8_t { float32, bfloat16, int16, int8 };

inline const char* name_of(Precision precision) {
  switch (precision) {
    case Precision::bfloat16:
      return "bfloat16";
    case Precision::int16:
      return "int16";
    case Precision::int8:
      return "int8";
    case Precision::float32:
      break;
  }
  return "float32";
}

}  // namespace rank_distillm
