#pragma once

#include <ATen/core/Tensor.h>

#include "core/packed_batch.h"

namespace rank_distillm {

/// lightning-ir's pooling strategies; its `bert_pool` is `first` followed by the head's dense layer.
enum class Pooling { first, mean, max, sum };

/// Pools each sequence's tokens: hidden [tokens, hidden] float32 → [sequences, hidden], in the block's order. Not for
/// `first`: the encoder returns those rows itself.
at::Tensor pool(const at::Tensor& hidden, const PackedBatch& batch, const Block& block, Pooling pooling);

/// The gradient of `hidden` from that of `pool`'s output, [sequences, hidden] float32; ties of max share it evenly, as
/// in torch.amax.
at::Tensor pool_backward(const at::Tensor& gradient, const at::Tensor& hidden, const PackedBatch& batch,
                         const Block& block, Pooling pooling);

}  // namespace rank_distillm
