#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "core/packed_batch.h"

namespace rank_distillm {

/// softmax(Q Kᵀ / √d) V within each sequence of a block, Q, K and V fused in one matrix: qkv [tokens, 3 · hidden]
/// → [tokens, hidden]. The score matrix never stands in memory; softmax is float32.
at::Tensor self_attention(const at::Tensor& qkv, int64_t heads, const std::vector<EqualLengthRun>& runs);

/// The same for one query row per sequence: query [sequences, hidden], kv [tokens, 2 · hidden] → [sequences, hidden].
at::Tensor first_row_attention(const at::Tensor& query, const at::Tensor& kv, int64_t heads,
                               const std::vector<EqualLengthRun>& runs);

}  // namespace rank_distillm
