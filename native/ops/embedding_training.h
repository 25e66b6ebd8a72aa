#pragma once

#include "core/packed_batch.h"
#include "ops/layer_norm_training.h"

namespace rank_distillm {

/// Tables [words, width], [positions, width], [types, width] float32 that are trained, with their gradients.
struct TrainableEmbedding {
  struct Table {
    const float* values = nullptr;
    float* gradient = nullptr;  // added to; null: the table is not trained
  };

  Table word, position, type;
  TrainableNorm norm;
  int64_t padding_id = -1;        // this word gets no gradient, as torch.nn.Embedding's padding_idx; -1: none
  int64_t padding_position = -1;  // nor this position
};

/// dropout(LayerNorm(word + position + type)) of a block → `exact` [tokens, width] float32, with LayerNorm's state.
/// `ids` and `positions` are the batch's.
void embed_training(const PackedBatch& batch, const Block& block, const TrainableEmbedding& embedding,
                    const Dropout& dropout, const RowId* ids, const int32_t* positions, const Rows& exact,
                    const NormState& state);

/// `gradient` [tokens, width] float32 of a block: that of the output becomes that of the sum of the three rows. `sums`
/// as in residual_layer_norm_backward.
void embed_backward_norm(const Block& block, const TrainableEmbedding& embedding, const Dropout& dropout,
                         const RowId* ids, const NormState& state, const Rows& gradient, float* sums);

/// Columns that embed_backward_tables takes of all tables at a time: each sum has one owner and one order, so no two
/// runs differ.
constexpr int64_t table_slice = 32;

/// Adds a block's rows to the tables' gradients, columns [first, first + table_slice) as far as there are.
void embed_backward_tables(const PackedBatch& batch, const Block& block, const TrainableEmbedding& embedding,
                           const int32_t* positions, const Rows& gradient, int64_t first);

}  // namespace rank_distillm
