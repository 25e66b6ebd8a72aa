#pragma once

#include <ATen/core/Tensor.h>

namespace rank_distillm {

/// Rows between two ops. The residual stream stays float32, so that roundings do not add up over the layers; the
/// products read its copy in the compute dtype. In float32 both are one tensor.
struct HiddenState {
  at::Tensor exact;    // [rows, hidden] float32
  at::Tensor compute;  // [rows, hidden] compute dtype
};

}  // namespace rank_distillm
