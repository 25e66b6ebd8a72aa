#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "ops/dropout.h"

namespace rank_distillm {

/// One sequence of an attention call: its rows among the queries and among the keys.
struct AttentionSpan {
  int64_t query_row;
  int64_t queries;
  int64_t key_row;
  int64_t keys;
  uint32_t pair;  // the pair's number in the whole batch; query i is token i of it
};

/// Views that may be columns of one fused matrix: query [query rows, hidden], key and value [key rows, hidden].
struct AttentionInputs {
  at::Tensor query;
  at::Tensor key;
  at::Tensor value;
};

/// dropout(softmax(Q Kᵀ / √d)) V within each span → [query rows, hidden] in the inputs' dtype, computed in float32.
/// `softmax` [query rows, heads, 2] float32 is filled with each row's greatest score and the inverse of its sum:
/// backward recomputes the weights from them instead of keeping the score matrices. Not one logarithm of both, whose
/// rounding all weights of a row would share.
at::Tensor attention_training(const AttentionInputs& inputs, int64_t heads, const std::vector<AttentionSpan>& spans,
                              const Dropout& dropout, at::Tensor& softmax);

/// Overwrites `gradients`, views shaped as the inputs, with the gradients of queries, keys and values.
void attention_backward(const at::Tensor& gradient, const AttentionInputs& inputs, int64_t heads,
                        const std::vector<AttentionSpan>& spans, const Dropout& dropout, const at::Tensor& softmax,
                        const AttentionInputs& gradients);

}  // namespace rank_distillm
