#include "ops/linear.h"

#include <ATen/ops/linear.h>

namespace rank_distillm {

at::Tensor linear(const at::Tensor& input, const Linear& layer, Counters& counters) {
  counters.linear_rows += input.size(0);
  counters.linear_flops += 2 * input.size(0) * layer.weight.size(0) * layer.weight.size(1);
  return at::linear(input, layer.weight, layer.bias);
}

Linear output_slice(const Linear& layer, int64_t begin, int64_t end) {
  return {layer.weight.narrow(0, begin, end - begin),
          layer.bias.defined() ? layer.bias.narrow(0, begin, end - begin) : at::Tensor()};
}

}  // namespace rank_distillm
