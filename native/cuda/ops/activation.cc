#include "cuda/ops/activation.h"

#include <ATen/ops/empty_like.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/gelu_backward.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/threshold_backward.h>

#include "cuda/ops/call.h"

namespace rank_distillm {
namespace {

cuda::Activation kernel_activation(Epilogue activation) {
  if (activation == Epilogue::gelu) return cuda::Activation::gelu;
  return activation == Epilogue::gelu_tanh ? cuda::Activation::gelu_tanh : cuda::Activation::relu;
}

const char* approximation(Epilogue activation) { return activation == Epilogue::gelu_tanh ? "tanh" : "none"; }

at::Tensor reference_activation(const at::Tensor& before, Epilogue activation) {
  return activation == Epilogue::relu ? at::relu(before) : at::gelu(before, approximation(activation));
}

at::Tensor reference_activation_backward(const at::Tensor& gradient, const at::Tensor& before, Epilogue activation) {
  if (activation == Epilogue::relu) return at::threshold_backward(gradient, before, 0);
  return at::gelu_backward(gradient, before, approximation(activation));
}

}  // namespace

at::Tensor device_activation(const at::Tensor& before, Epilogue activation, bool in_place) {
  auto output = in_place ? before : at::empty_like(before);
  if (by_kernel(before)) {
    cuda::activation_forward(
        {before.numel(), kernel_type(before), kernel_activation(activation), before.data_ptr(), output.data_ptr()},
        stream_of(before));
  } else {
    output.copy_(reference_activation(before.to(at::kFloat), activation));
  }
  return output;
}

void device_activation_backward_(const at::Tensor& gradient, const at::Tensor& before, Epilogue activation) {
  if (by_kernel(gradient)) {
    cuda::activation_backward({gradient.numel(), kernel_type(gradient), kernel_activation(activation),
                               before.data_ptr(), gradient.data_ptr(), gradient.data_ptr()},
                              stream_of(gradient));
  } else {
    gradient.copy_(reference_activation_backward(gradient.to(at::kFloat), before.to(at::kFloat), activation));
  }
}

}  // namespace rank_distillm
