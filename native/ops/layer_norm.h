#pragma once

#include <ATen/core/Tensor.h>

namespace rank_distillm {

struct LayerNorm {
  at::Tensor weight;  // [hidden]
  at::Tensor bias;    // [hidden]
  double eps = 1e-12;
};

/// input [rows, hidden] → the same shape; mean and variance in float32.
at::Tensor layer_norm(const at::Tensor& input, const LayerNorm& norm);

/// layer_norm(branch + residual), both [rows, hidden]; overwrites `branch` with the sum.
at::Tensor residual_layer_norm(at::Tensor branch, const at::Tensor& residual, const LayerNorm& norm);

}  // namespace rank_distillm
