#pragma once

#include "core/counters.h"
#include "cuda/device_parameters.h"

namespace rank_distillm {

/// A dense layer y = x Wᵀ + b on a device. Products are LibTorch's (cuBLASLt, whose epilogue adds the bias).
/// Weight and bias may be of another type than float32.
using DeviceLinear = LinearOf<at::Tensor>;

/// x [rows, in] → [rows, out], in the layer's type.
at::Tensor device_linear(const at::Tensor& input, const DeviceLinear& layer, Counters& counters);

/// Adds to the gradients of weight and bias and returns that of the input, [rows, in] of the layer's type.
at::Tensor device_linear_backward(const at::Tensor& gradient, const at::Tensor& input, const DeviceLinear& layer,
                                  Counters& counters);

}  // namespace rank_distillm
