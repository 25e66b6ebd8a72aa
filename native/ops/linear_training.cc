#include "ops/linear_training.h"

#include <ATen/ops/linear.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/sum.h>

namespace rank_distillm {
namespace {

void count(const at::Tensor& rows, const TrainableLinear& layer, Counters& counters) {
  counters.linear_rows += rows.size(0);
  counters.linear_flops += 2 * rows.size(0) * layer.weight.numel();
}

}  // namespace

at::Tensor linear_training(const at::Tensor& input, const TrainableLinear& layer, Counters& counters) {
  count(input, layer, counters);
  return at::linear(input, layer.weight, layer.bias);
}

void linear_backward_weights(const at::Tensor& gradient, const at::Tensor& input, const TrainableLinear& layer,
                             Counters& counters) {
  count(gradient, layer, counters);
  layer.weight_gradient.addmm_(gradient.t(), input);
  if (layer.bias_gradient.defined()) layer.bias_gradient.add_(at::sum(gradient, {0}));
}

at::Tensor linear_backward_input(const at::Tensor& gradient, const TrainableLinear& layer, Counters& counters) {
  count(gradient, layer, counters);
  return at::mm(gradient, layer.weight);
}

}  // namespace rank_distillm
