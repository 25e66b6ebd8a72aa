#pragma once

#include <ATen/core/Tensor.h>

namespace rank_distillm {

/// transformers' ACT2FN: "gelu" (erf), "gelu_new" and "gelu_pytorch_tanh" (tanh approximation), "relu".
enum class Activation { gelu, gelu_tanh, relu };

/// Overwrites `values` (any shape) and returns it.
at::Tensor activate_(at::Tensor values, Activation activation);

}  // namespace rank_distillm
