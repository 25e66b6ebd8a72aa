#pragma once

#include <ATen/core/Tensor.h>

namespace rank_distillm {

struct LayerNorm {
  at::Tensor weight;  // [hidden] float32
  at::Tensor bias;    // [hidden] float32
  double eps = 1e-12;
};

}  // namespace rank_distillm
