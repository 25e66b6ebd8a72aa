#pragma once

#include "cuda/device.h"
#include "cuda/device_block.h"
#include "ops/dropout.h"

namespace rank_distillm {

struct DeviceNorm {
  at::Tensor weight;           // [columns] float32
  at::Tensor bias;             // [columns] float32
  at::Tensor weight_gradient;  // float32, added to; undefined if the model is not trained
  at::Tensor bias_gradient;
  double eps = 1e-12;
};

/// Rows between two layers: the residual stream, and its copy in the type of the products, the same tensor if the types
/// are the same.
struct DeviceHidden {
  at::Tensor exact;
  at::Tensor compute;
};

/// Kept by a norm's forward for its backward.
struct DeviceNormState {
  at::Tensor normalized;  // [rows, columns] of the products' type
  at::Tensor scale;       // [rows] float32
};

/// LayerNorm(residual + dropout(branch)), all [rows, columns]: branch of the products' type, residual of the stream's.
/// Fills `state`, if given, for the backward.
DeviceHidden residual_norm(const at::Tensor& branch, const at::Tensor& residual, const DeviceNorm& norm,
                           const Dropout& dropout, const DeviceRowIds& ids, DeviceNormState* state);

struct DeviceNormGradients {
  at::Tensor residual;  // [rows, columns] float32
  at::Tensor branch;    // [rows, columns] of the products' type; may be `residual`
};

/// The gradients of both inputs from that of the output, `gradient` (float32, overwritten) plus, where given, `more`
/// (of the products' type). Adds to those of weight and bias, in an order that the number of rows decides.
DeviceNormGradients residual_norm_backward(const at::Tensor& gradient, const at::Tensor& more, const DeviceNorm& norm,
                                           const Dropout& dropout, const DeviceRowIds& ids,
                                           const DeviceNormState& state);

/// The reference of a norm's forward, of float32 rows; `result` are rows of the stream's and the products' type.
DeviceHidden reference_norm(const at::Tensor& rows, const DeviceNorm& norm, const DeviceTypes& types,
                            DeviceNormState* state);

}  // namespace rank_distillm
