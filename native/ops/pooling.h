#pragma once

#include "core/packed_batch.h"
#include "kernels/kernels.h"

namespace rank_distillm {

/// lightning-ir's pooling strategies; its `bert_pool` is `first` followed by the head's dense layer.
enum class Pooling { first, mean, max, sum };

/// Pools each sequence's tokens: hidden [tokens, width] float32 → pooled [sequences, width], in the block's order. Not
/// for `first`: the encoder returns those rows itself.
void pool(const Rows& hidden, int64_t width, const PackedBatch& batch, const Block& block, Pooling pooling,
          const Rows& pooled);

/// The gradient of `hidden` from that of the pooled rows; ties of max share it evenly, as in torch.amax.
void pool_backward(const Rows& pooled_gradient, const Rows& hidden, int64_t width, const PackedBatch& batch,
                   const Block& block, Pooling pooling, const Rows& gradient);

}  // namespace rank_distillm
