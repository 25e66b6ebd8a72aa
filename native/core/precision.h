#pragma once

#include <ATen/core/Tensor.h>

namespace rank_distillm {

/// What weights and activations are held in; sums, softmax, LayerNorm statistics and the head are float32 in both.
enum class Precision { float32, bfloat16 };

inline at::ScalarType scalar_type(Precision precision) {
  return precision == Precision::bfloat16 ? at::kBFloat16 : at::kFloat;
}

inline const char* name_of(Precision precision) { return precision == Precision::bfloat16 ? "bfloat16" : "float32"; }

}  // namespace rank_distillm
