#pragma once

#include "cuda/device_block.h"
#include "ops/pooling.h"

namespace rank_distillm {

/// One row per sequence, as ops/pooling.h: hidden [tokens, columns] float32 → [sequences, columns]. Not for `first`.
at::Tensor device_pool(const at::Tensor& hidden, const DeviceBlock& block, Pooling pooling);

/// The gradient of `hidden` from that of the pooled rows; ties of max share it evenly.
at::Tensor device_pool_backward(const at::Tensor& gradient, const at::Tensor& hidden, const at::Tensor& pooled,
                                const DeviceBlock& block, Pooling pooling);

}  // namespace rank_distillm
