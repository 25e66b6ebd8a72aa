#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "ops/hidden_state.h"

namespace rank_distillm {

struct LayerNorm {
  at::Tensor weight;  // [hidden] float32
  at::Tensor bias;    // [hidden] float32
  double eps = 1e-12;
};

/// layer_norm(branch + residual), all [rows, hidden] float32, and a copy in the compute dtype; one pass over memory
/// where add, layer_norm and a conversion would take three.
HiddenState residual_layer_norm(const at::Tensor& branch, const at::Tensor& residual, const LayerNorm& norm,
                                at::ScalarType compute_type);

/// One row, for ops that make their rows themselves: values [hidden] are overwritten with the result.
void layer_norm_row(float* values, int64_t hidden, const LayerNorm& norm);

}  // namespace rank_distillm
