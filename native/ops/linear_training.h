#pragma once

#include <ATen/core/Tensor.h>

#include "core/counters.h"

namespace rank_distillm {

/// A trainable dense layer y = x Wᵀ + b of a head, all float32. It is a small part of the work, so ATen computes it.
struct TrainableLinear {
  at::Tensor weight;           // [out, in]
  at::Tensor bias;             // [out], or undefined
  at::Tensor weight_gradient;  // [out, in], added to
  at::Tensor bias_gradient;    // [out], added to; or undefined
};

/// x [rows, in] → [rows, out].
at::Tensor linear_training(const at::Tensor& input, const TrainableLinear& layer, Counters& counters);

/// Adds to the gradients of weight and bias; `gradient` [rows, out], `input` [rows, in].
void linear_backward_weights(const at::Tensor& gradient, const at::Tensor& input, const TrainableLinear& layer,
                             Counters& counters);

/// The gradient of the input, [rows, in].
at::Tensor linear_backward_input(const at::Tensor& gradient, const TrainableLinear& layer, Counters& counters);

}  // namespace rank_distillm
