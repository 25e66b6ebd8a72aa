#pragma once

#include <cstdint>

#include "kernels/kernels.h"
#include "ops/dropout.h"

namespace rank_distillm {

/// A trainable LayerNorm with its gradients, all [columns] float32.
struct TrainableNorm {
  const float* weight = nullptr;
  const float* bias = nullptr;
  float* weight_gradient = nullptr;  // added to
  float* bias_gradient = nullptr;    // added to
  int64_t columns = 0;
  float eps = 0;
};

/// Values of LayerNorm's forward that its backward needs.
struct NormState {
  Rows normalized;         // [rows, columns] float32, before weight and bias
  float* scale = nullptr;  // [rows], 1 / standard deviation
};

/// Inputs and outputs of a norm: rows of the residual stream, and their copy for the next product.
struct NormRows {
  int64_t rows = 0;
  Rows branch;            // [rows, columns] float32
  Rows residual;          // [rows, columns] float32; no data: none
  Rows exact;             // [rows, columns] float32, the output; may be `residual`
  ComputeCopy copy = {};  // of the output, bf16 or none
};

/// exact = layer_norm(dropout(branch) + residual), with the state for its backward. Row i has the mask of ids[i].
void residual_layer_norm_training(const NormRows& rows, const TrainableNorm& norm, const Dropout& dropout,
                                  const RowId* ids, const NormState& state);

/// Inputs and outputs of a norm's backward.
struct NormGradientRows {
  int64_t rows = 0;
  Rows gradient;  // [rows, columns] float32: the output's gradient is replaced by the residual's
  Rows branch;    // [rows, columns], the branch's; may be `gradient` in float32 without dropout
  ElementType branch_type = ElementType::float32;
};

/// Overwrites `sums` [sequences, 2, columns] with the gradients of weight and bias of each sequence's rows, for
/// add_norm_gradients: their order does not depend on how a part is split into blocks. A row of token 0 begins a
/// sequence.
void residual_layer_norm_backward(const NormGradientRows& rows, const TrainableNorm& norm, const Dropout& dropout,
                                  const RowId* ids, const NormState& state, float* sums);

void add_norm_gradients(const TrainableNorm& norm, const float* sums, int64_t sequences);

}  // namespace rank_distillm
