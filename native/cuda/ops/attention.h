#pragma once

#include "cuda/device_block.h"
#include "ops/dropout.h"

namespace rank_distillm {

/// Attention of packed sequences, heads side by side in each row (kernels.h). `site` of a head's mask is that of the
/// first plus head << 18, as on the CPU.
struct DeviceAttention {
  const DeviceBlock& block;
  const AttentionRows& queries;  // block.all or block.first; keys are all tokens
  int64_t heads = 1;
  Dropout dropout;
};

/// Rows may be columns of wider ones.
struct AttentionInputs {
  at::Tensor query;  // [queries, heads · size]
  at::Tensor key;    // [tokens, heads · size]
  at::Tensor value;
};

struct AttentionOutput {
  at::Tensor context;   // [queries, heads · size]
  at::Tensor log_sums;  // [queries, heads] float32; only on request
};

/// dropout(softmax(Q Kᵀ / √d)) V. `keep` also returns log_sums for the backward.
AttentionOutput device_attention(const DeviceAttention& attention, const AttentionInputs& inputs, bool keep);

/// The gradients of queries, keys and values, into tensors like `inputs`, from that of the context.
void device_attention_backward(const DeviceAttention& attention, const AttentionInputs& inputs,
                               const AttentionOutput& output, const at::Tensor& gradient,
                               const AttentionInputs& gradients);

}  // namespace rank_distillm
