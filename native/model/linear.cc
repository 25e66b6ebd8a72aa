#include "model/linear.h"

namespace rank_distillm {

void multiply(GemmCall call, ElementType type, Counters& counters, const Kernels& level) {
  uint64_t ticks = 0, epilogue_ticks = 0;
  call.epilogue_ticks = &epilogue_ticks;
  {
    const OpTimer timer(ticks);
    level.product_of(type)(call);
  }
  counters.ticks.linear += ticks - epilogue_ticks;
  counters.ticks.activation += epilogue_ticks;
  counters.linear_rows += call.rows;
  counters.linear_flops += 2 * call.rows * call.weights.in * call.weights.out;
}

void linear(const Linear& layer, int64_t rows, const LinearInput& input, Epilogue epilogue, const Rows& output,
            ElementType output_type, Counters& counters) {
  multiply({rows, input.rows, input.scales, layer.view(), epilogue, output, output_type}, layer.type(), counters,
           layer.level());
}

}  // namespace rank_distillm
