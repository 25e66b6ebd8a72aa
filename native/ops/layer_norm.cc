#include "ops/layer_norm.h"

#include <ATen/ops/layer_norm.h>

namespace rank_distillm {

at::Tensor layer_norm(const at::Tensor& input, const LayerNorm& norm) {
  return at::layer_norm(input, {input.size(-1)}, norm.weight, norm.bias, norm.eps);
}

at::Tensor residual_layer_norm(at::Tensor branch, const at::Tensor& residual, const LayerNorm& norm) {
  return layer_norm(branch.add_(residual), norm);
}

}  // namespace rank_distillm
