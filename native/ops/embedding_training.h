#pragma once

#include "core/packed_batch.h"
#include "ops/layer_norm_training.h"

namespace rank_distillm {

/// Trainable tables [words, width], [positions, width] and [types, width] float32 with their gradients.
struct TrainableEmbedding {
  struct Table {
    const float* values = nullptr;
    float* gradient = nullptr;  // added to; null: the table is not trained
  };

  Table word, position, type;
  TrainableNorm norm;
  int64_t padding_id = -1;        // a word without gradient, like torch.nn.Embedding's padding_idx; -1: none
  int64_t padding_position = -1;  // the same for positions
};

/// dropout(LayerNorm(word + position + type)) of a block → `exact` [tokens, width] float32, with LayerNorm's state.
/// `ids` and `positions` are the batch's.
void embed_training(const PackedBatch& batch, const Block& block, const TrainableEmbedding& embedding,
                    const Dropout& dropout, const RowId* ids, const int32_t* positions, const Rows& exact,
                    const NormState& state);

/// Replaces the output's gradient [tokens, width] float32 of a block by the gradient of the sum of the three rows.
/// `sums` as in residual_layer_norm_backward.
void embed_backward_norm(const Block& block, const TrainableEmbedding& embedding, const Dropout& dropout,
                         const RowId* ids, const NormState& state, const Rows& gradient, float* sums);

/// Columns that one call of embed_backward_tables adds to. One task owns a slice of columns and adds rows in a fixed
/// order, so runs do not differ.
constexpr int64_t table_slice = 32;

/// Adds a block's rows to the tables' gradients, in columns [first, first + table_slice) within the width.
void embed_backward_tables(const PackedBatch& batch, const Block& block, const TrainableEmbedding& embedding,
                           const int32_t* positions, const Rows& gradient, int64_t first);

}  // namespace rank_distillm
