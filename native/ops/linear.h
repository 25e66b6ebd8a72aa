#pragma once

#include <ATen/core/Tensor.h>

#include "core/counters.h"

namespace rank_distillm {

/// A dense layer as checkpoints store it.
struct Linear {
  at::Tensor weight;  // [out, in]
  at::Tensor bias;    // [out], or undefined
};

/// input [rows, in] → [rows, out], products summed in float32; counts the rows and multiplications it makes.
at::Tensor linear(const at::Tensor& input, const Linear& layer, Counters& counters);

/// Output rows [begin, end) of a layer, sharing its memory: for example K and V of a fused QKV.
Linear output_slice(const Linear& layer, int64_t begin, int64_t end);

}  // namespace rank_distillm
