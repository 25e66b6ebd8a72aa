#pragma once

#include <ATen/core/Tensor.h>

#include "core/counters.h"

namespace rank_distillm {

/// A dense layer y = x Wᵀ + b of a model that is trained.
struct TrainableLinear {
  at::Tensor weight;           // [out, in] compute dtype
  at::Tensor bias;             // [out] compute dtype, or undefined
  at::Tensor weight_gradient;  // [out, in] float32, added to
  at::Tensor bias_gradient;    // [out] float32, added to; or undefined
};

/// x [rows, in] → [rows, out], both in the compute dtype.
at::Tensor linear_training(const at::Tensor& input, const TrainableLinear& layer, Counters& counters);

/// Adds to the gradients of weight and bias; `gradient` [rows, out] and `input` [rows, in] in the compute dtype.
void linear_backward_weights(const at::Tensor& gradient, const at::Tensor& input, const TrainableLinear& layer,
                             Counters& counters);

/// The gradient of the input, [rows, in] in the compute dtype.
at::Tensor linear_backward_input(const at::Tensor& gradient, const TrainableLinear& layer, Counters& counters);

/// Adds the gradient of the input to `sum` [rows, in] float32.
void linear_backward_input_add(const at::Tensor& gradient, const TrainableLinear& layer, const at::Tensor& sum,
                               Counters& counters);

}  // namespace rank_distillm
