#include "ops/activation.h"

#include <ATen/ops/gelu.h>
#include <ATen/ops/gelu_backward.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/threshold_backward.h>

namespace rank_distillm {

at::Tensor activate(const at::Tensor& input, Activation activation) {
  switch (activation) {
    case Activation::gelu:
      return at::gelu(input);
    case Activation::gelu_tanh:
      return at::gelu(input, "tanh");
    case Activation::relu:
      return at::relu(input);
  }
  return input;
}

at::Tensor activation_backward(const at::Tensor& gradient, const at::Tensor& input, Activation activation) {
  switch (activation) {
    case Activation::gelu:
      return at::gelu_backward(gradient, input);
    case Activation::gelu_tanh:
      return at::gelu_backward(gradient, input, "tanh");
    case Activation::relu:
      return at::threshold_backward(gradient, input, 0);
  }
  return gradient;
}

}  // namespace rank_distillm
