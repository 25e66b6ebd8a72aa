#pragma once

#include <cstdint>

namespace rank_distillm {

/// `to[i]` += `from[i]`.
void add_row(const float* from, float* to, int64_t n);

/// `to[i]` = bf16 of `from[i]`.
void round_row_to_bf16(const float* from, uint16_t* to, int64_t n);

}  // namespace rank_distillm
