#pragma once

#include <ATen/core/Tensor.h>

#include "core/packed_batch.h"
#include "ops/embedding.h"
#include "ops/layer_norm_training.h"

namespace rank_distillm {

/// dropout(LayerNorm(word + position + type)) of a whole batch → [tokens, embedding] float32, with LayerNorm's state.
at::Tensor embed_training(const PackedBatch& batch, const Embedding& embedding, const Dropout& dropout,
                          const std::vector<RowId>& ids, NormState& state);

/// Gradients shaped as the tables, added to.
struct EmbeddingGradients {
  at::Tensor word;
  at::Tensor position;
  at::Tensor type;
  NormGradients norm;
};

/// Takes the gradient of the output [tokens, embedding] float32 (overwritten) to the tables. The word `padding_id`, if
/// not negative, gets none, as torch.nn.Embedding's padding_idx.
void embed_backward(const at::Tensor& gradient, const PackedBatch& batch, const Embedding& embedding,
                    int64_t padding_id, const Dropout& dropout, const std::vector<RowId>& ids, const NormState& state,
                    const EmbeddingGradients& gradients);

}  // namespace rank_distillm
