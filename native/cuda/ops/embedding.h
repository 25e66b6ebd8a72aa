#pragma once

#include "cuda/ops/norm.h"

namespace rank_distillm {

struct DeviceTable {
  at::Tensor values;    // [rows, columns] float32
  at::Tensor gradient;  // added to; undefined if the table is not trained
};

struct DeviceEmbedding {
  DeviceTable word, position, type;
  DeviceNorm norm;
  int64_t padding_id = -1;        // its word gets no gradient; -1: none
  int64_t padding_position = -1;  // this position gets none either
};

/// dropout(LayerNorm(word + position + type)) of a block's tokens, [tokens, columns].
DeviceHidden embed(const DeviceBlock& block, const DeviceEmbedding& embedding, const Dropout& dropout,
                   const DeviceTypes& types, DeviceNormState* state);

/// Adds to the gradients of tables and norm; `gradient` [tokens, columns] float32 is overwritten.
void embed_backward(const DeviceBlock& block, const DeviceEmbedding& embedding, const Dropout& dropout,
                    const DeviceNormState& state, const at::Tensor& gradient);

}  // namespace rank_distillm
