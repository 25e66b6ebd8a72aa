#pragma once

#include <ATen/core/Tensor.h>

#include "ops/layer_norm.h"

namespace rank_distillm {

/// Tables stay float32 in their mapped file: a block reads few of their rows.
struct Embedding {
  at::Tensor word;      // [vocabulary, embedding]
  at::Tensor position;  // [positions, embedding]
  at::Tensor type;      // [types, embedding]
  LayerNorm norm;
};

}  // namespace rank_distillm
