#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "kernels/round_to_bf16.h"

namespace rank_distillm {

inline uint16_t* bf16_data(const at::Tensor& tensor) { return reinterpret_cast<uint16_t*>(tensor.data_ptr()); }

/// Float32 rows themselves, or a bf16 copy.
at::Tensor to_compute_type(const at::Tensor& exact, at::ScalarType compute_type);

/// `to[i]` = bf16 of `from[i]`.
void round_row_to_bf16(const float* from, uint16_t* to, int64_t n);

}  // namespace rank_distillm
