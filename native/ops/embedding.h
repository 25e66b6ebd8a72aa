#pragma once

#include <ATen/core/Tensor.h>

#include "core/packed_batch.h"
#include "ops/layer_norm.h"

namespace rank_distillm {

/// Tables stay float32 in their mapped file: a block reads few of their rows.
struct Embedding {
  at::Tensor word;      // [vocabulary, embedding]
  at::Tensor position;  // [positions, embedding]
  at::Tensor type;      // [types, embedding]
  LayerNorm norm;
};

/// LayerNorm(word + position + type) of a block's tokens → [tokens, embedding] float32; positions restart with each
/// sequence.
at::Tensor embed(const PackedBatch& batch, const Block& block, const Embedding& embedding);

}  // namespace rank_distillm
