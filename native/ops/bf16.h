#pragma once

#include <cstdint>

#include "kernels/round_to_bf16.h"

namespace rank_distillm {

/// `to[i]` = bf16 of `from[i]`.
void round_row_to_bf16(const float* from, uint16_t* to, int64_t n);

}  // namespace rank_distillm
