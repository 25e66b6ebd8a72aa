#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "ops/dropout.h"
#include "ops/hidden_state.h"
#include "ops/layer_norm.h"

namespace rank_distillm {

/// What the backward of LayerNorm needs of its forward.
struct NormState {
  at::Tensor normalized;  // [rows, hidden] float32, before weight and bias
  at::Tensor scale;       // [rows] float32, 1 / standard deviation
};

struct NormGradients {
  at::Tensor weight;  // [hidden] float32, added to
  at::Tensor bias;    // [hidden] float32, added to
};

/// layer_norm(dropout(branch) + residual) as `residual_layer_norm`, with the state its backward needs. Row i draws
/// its mask as ids[i]. branch [rows, hidden] float32 or bf16; residual float32, undefined for none.
HiddenState residual_layer_norm_training(const at::Tensor& branch, const at::Tensor& residual, const LayerNorm& norm,
                                         const Dropout& dropout, const std::vector<RowId>& ids,
                                         at::ScalarType compute_type, NormState& state);

/// Overwrites `gradient` [rows, hidden] float32, that of the output, with that of the residual, and returns that of
/// the branch, in the compute type: the same tensor where nothing is dropped in float32. Adds to the gradients of
/// weight and bias, in an order that does not depend on the number of threads.
at::Tensor residual_layer_norm_backward(const at::Tensor& gradient, const NormState& state, const LayerNorm& norm,
                                        const Dropout& dropout, const std::vector<RowId>& ids,
                                        at::ScalarType compute_type, const NormGradients& gradients);

}  // namespace rank_distillm
