#include "ops/row.h"

#include "kernels/round_to_bf16.h"
#include "ops/vectorize.h"

namespace rank_distillm {

RANK_DISTILLM_VECTORIZE
void add_row(const float* from, float* to, int64_t n) {
  for (int64_t i = 0; i < n; ++i) to[i] += from[i];
}

RANK_DISTILLM_VECTORIZE
void round_row_to_bf16(const float* from, uint16_t* to, int64_t n) {
  for (int64_t i = 0; i < n; ++i) to[i] = round_to_bf16(from[i]);
}

}  // namespace rank_distillm
