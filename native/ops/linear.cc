#include "ops/linear.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/linear.h>

#include "ops/bf16.h"
#include "ops/packed_gemm.h"

namespace rank_distillm {
namespace {

void count(const at::Tensor& input, const Linear& layer, Counters& counters) {
  counters.linear_rows += input.size(0);
  counters.linear_flops += 2 * input.size(0) * layer.in * layer.out;
}

at::Tensor packed(const at::Tensor& input, const Linear& layer, at::ScalarType output_type, TileEnd end) {
  const auto output = at::empty({input.size(0), layer.out}, input.options().dtype(output_type));
  packed_gemm(input, layer.weight, layer.bias, end, output);
  return output;
}

}  // namespace

Linear float32_linear(at::Tensor weight, at::Tensor bias) {
  const int64_t out = weight.size(0), in = weight.size(1);
  return {std::move(weight), std::move(bias), in, out};
}

Linear packed_linear(const at::Tensor& weight, at::Tensor bias) {
  return {pack_panels(weight), std::move(bias), weight.size(1), weight.size(0)};
}

at::Tensor linear(const at::Tensor& input, const Linear& layer, Counters& counters) {
  count(input, layer, counters);
  if (!layer.is_packed()) return at::linear(input, layer.weight, layer.bias);
  return packed(input, layer, at::kFloat, TileEnd::none);
}

at::Tensor linear_rounded(const at::Tensor& input, const Linear& layer, Counters& counters) {
  if (!layer.is_packed()) return linear(input, layer, counters);
  count(input, layer, counters);
  return packed(input, layer, at::kBFloat16, TileEnd::none);
}

at::Tensor linear_activated(const at::Tensor& input, const Linear& layer, Activation activation, Counters& counters) {
  if (layer.is_packed() && activation == Activation::gelu) {
    count(input, layer, counters);
    return packed(input, layer, at::kBFloat16, TileEnd::gelu);
  }
  return to_compute_type(activate_(linear(input, layer, counters), activation), input.scalar_type());
}

}  // namespace rank_distillm
