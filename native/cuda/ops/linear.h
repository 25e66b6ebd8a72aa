#pragma once

#include <ATen/core/Tensor.h>

#include "core/counters.h"

namespace rank_distillm {

/// A dense layer y = x Wᵀ + b on a device. Products are LibTorch's (cuBLASLt, whose epilogue adds the bias).
struct DeviceLinear {
  at::Tensor weight;           // [out, in]
  at::Tensor bias;             // [out], of the weight's type
  at::Tensor weight_gradient;  // [out, in] float32, added to; undefined if the model is not trained
  at::Tensor bias_gradient;    // [out] float32, added to
};

/// x [rows, in] → [rows, out], in the layer's type.
at::Tensor device_linear(const at::Tensor& input, const DeviceLinear& layer, Counters& counters);

/// Adds to the gradients of weight and bias and returns that of the input, [rows, in] of the layer's type.
at::Tensor device_linear_backward(const at::Tensor& gradient, const at::Tensor& input, const DeviceLinear& layer,
                                  Counters& counters);

}  // namespace rank_distillm
