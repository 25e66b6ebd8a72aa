#pragma once

#include <cstdint>

#include "kernels/kernels.h"
#include "ops/dropout.h"

namespace rank_distillm {

/// A LayerNorm that is trained, with its gradients; all [columns] float32.
struct TrainableNorm {
  const float* weight = nullptr;
  const float* bias = nullptr;
  float* weight_gradient = nullptr;  // added to
  float* bias_gradient = nullptr;    // added to
  int64_t columns = 0;
  float eps = 0;
};

/// What the backward of LayerNorm needs of its forward.
struct NormState {
  Rows normalized;         // [rows, columns] float32, before weight and bias
  float* scale = nullptr;  // [rows], 1 / standard deviation
};

/// Rows of a norm: those of the residual stream and their copy for the next product.
struct NormRows {
  int64_t rows = 0;
  Rows branch;            // [rows, columns] float32
  Rows residual;          // [rows, columns] float32; no data: none
  Rows exact;             // [rows, columns] float32, the output; may be `residual`
  ComputeCopy copy = {};  // of the output, bf16 or none
};

/// exact = layer_norm(dropout(branch) + residual), with the state its backward needs. Row i draws its mask as ids[i].
void residual_layer_norm_training(const NormRows& rows, const TrainableNorm& norm, const Dropout& dropout,
                                  const RowId* ids, const NormState& state);

/// Rows of a norm's backward.
struct NormGradientRows {
  int64_t rows = 0;
  Rows gradient;  // [rows, columns] float32: that of the output becomes that of the residual
  Rows branch;    // [rows, columns], that of the branch; may be `gradient` where nothing is dropped in float32
  ElementType branch_type = ElementType::float32;
};

/// `sums` [sequences, 2, columns] are overwritten with the gradients of weight and bias of each sequence's rows, for
/// add_norm_gradients: sums whose order does not depend on how a part is cut into blocks. Rows of
/// token 0 begin sequences.
void residual_layer_norm_backward(const NormGradientRows& rows, const TrainableNorm& norm, const Dropout& dropout,
                                  const RowId* ids, const NormState& state, float* sums);

void add_norm_gradients(const TrainableNorm& norm, const float* sums, int64_t sequences);

}  // namespace rank_distillm
