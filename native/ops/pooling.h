#pragma once

#include <ATen/core/Tensor.h>

#include "core/packed_batch.h"

namespace rank_distillm {

/// lightning-ir's pooling strategies; `bert_pool` is `first` followed by the head's dense layer.
enum class Pooling { first, mean, max, sum };

/// One row per sequence, in the block's order: hidden [tokens, hidden] float32 → [sequences, hidden] over each
/// sequence's tokens. Not for `first`: the encoder gives those rows itself.
at::Tensor pool(const at::Tensor& hidden, const PackedBatch& batch, const Block& block, Pooling pooling);

/// The gradient of `hidden` from that of `pool`'s output, [sequences, hidden] float32; ties of max share it evenly, as
/// torch.amax does.
at::Tensor pool_backward(const at::Tensor& gradient, const at::Tensor& hidden, const PackedBatch& batch,
                         const Block& block, Pooling pooling);

}  // namespace rank_distillm
