#include "model/linear.h"

namespace rank_distillm {

void linear(const Linear& layer, int64_t rows, const LinearInput& input, TileEnd end, const Rows& output,
            ElementType output_type, Counters& counters) {
  const auto& weights = layer.view();
  uint64_t ticks = 0, end_ticks = 0;
  {
    const OpTimer timer(ticks);
    const GemmCall call = {rows, input.rows, input.scales, weights, end, output, output_type, &end_ticks};
    switch (layer.type()) {
      case ElementType::float32:
        kernels().gemm_float32(call);
        break;
      case ElementType::bfloat16:
        kernels().gemm_bfloat16(call);
        break;
      case ElementType::int8:
        kernels().gemm_int8(call);
        break;
    }
  }
  counters.ticks.linear += ticks - end_ticks;
  counters.ticks.activation += end_ticks;
  counters.linear_rows += rows;
  counters.linear_flops += 2 * rows * weights.in * weights.out;
}

}  // namespace rank_distillm
