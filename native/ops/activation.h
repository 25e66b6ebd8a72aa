#pragma once

#include <ATen/core/Tensor.h>

namespace rank_distillm {

/// transformers' ACT2FN: "gelu" (erf), "gelu_new" and "gelu_pytorch_tanh" (tanh approximation), "relu".
enum class Activation { gelu, gelu_tanh, relu };

/// activation(input), any dtype, into a new tensor.
at::Tensor activate(const at::Tensor& input, Activation activation);

/// The gradient of `input` from that of the output.
at::Tensor activation_backward(const at::Tensor& gradient, const at::Tensor& input, Activation activation);

}  // namespace rank_distillm
