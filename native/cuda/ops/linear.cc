#include "cuda/ops/linear.h"

#include <ATen/ops/addmm.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/sum.h>

namespace rank_distillm {
namespace {

void count(const at::Tensor& rows, const DeviceLinear& layer, Counters& counters) {
  counters.linear_rows += rows.size(0);
  counters.linear_flops += 2 * rows.size(0) * layer.weight.numel();
}

/// Sums in float32 of factors that may be bfloat16, as the GPU's products are.
at::Tensor reference_product(const at::Tensor& a, const at::Tensor& b) {
  return at::mm(a.to(at::kFloat), b.to(at::kFloat));
}

at::Tensor product_in_float32(const at::Tensor& a, const at::Tensor& b) {
  return a.is_cuda() ? at::mm(a, b, at::kFloat) : reference_product(a, b);
}

}  // namespace

at::Tensor device_linear(const at::Tensor& input, const DeviceLinear& layer, Counters& counters) {
  count(input, layer, counters);
  const auto transposed = layer.weight.t();
  if (!layer.bias.defined()) return at::mm(input, transposed);
  if (input.is_cuda() || input.scalar_type() == at::kFloat) return at::addmm(layer.bias, input, transposed);
  return reference_product(input, transposed).add_(layer.bias.to(at::kFloat)).to(input.scalar_type());
}

at::Tensor device_linear_backward(const at::Tensor& gradient, const at::Tensor& input, const DeviceLinear& layer,
                                  Counters& counters) {
  count(gradient, layer, counters);
  count(gradient, layer, counters);
  if (gradient.scalar_type() == at::kFloat) {
    layer.weight_gradient.addmm_(gradient.t(), input);
  } else {
    layer.weight_gradient.add_(product_in_float32(gradient.t(), input));
  }
  if (layer.bias_gradient.defined()) layer.bias_gradient.add_(at::sum(gradient, {0}, false, at::kFloat));
  if (gradient.is_cuda() || gradient.scalar_type() == at::kFloat) return at::mm(gradient, layer.weight);
  return reference_product(gradient, layer.weight).to(gradient.scalar_type());
}

}  // namespace rank_distillm
