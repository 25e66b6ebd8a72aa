#include "ops/bf16.h"

#include <ATen/ops/empty.h>

#include "ops/vectorize.h"

namespace rank_distillm {

RANK_DISTILLM_VECTORIZE
void round_row_to_bf16(const float* from, uint16_t* to, int64_t n) {
  for (int64_t i = 0; i < n; ++i) to[i] = round_to_bf16(from[i]);
}

at::Tensor to_compute_type(const at::Tensor& exact, at::ScalarType compute_type) {
  if (compute_type == at::kFloat) return exact;
  const auto rounded = at::empty(exact.sizes(), exact.options().dtype(compute_type));
  round_row_to_bf16(exact.const_data_ptr<float>(), bf16_data(rounded), exact.numel());
  return rounded;
}

}  // namespace rank_distillm
