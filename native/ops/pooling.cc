#include "ops/pooling.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/index_select.h>

namespace rank_distillm {

at::Tensor first_rows(const at::Tensor& hidden, const PackedBatch& batch, const Block& block) {
  const auto rows = at::empty({block.sequences}, at::kInt);
  for (int64_t i = 0; i < block.sequences; ++i) {
    rows.data_ptr<int32_t>()[i] = static_cast<int32_t>(batch.cu_seqlens[block.first_sequence + i] - block.first_token);
  }
  return at::index_select(hidden, 0, rows);
}

at::Tensor pool(const at::Tensor& hidden, const PackedBatch& batch, const Block& block, Pooling pooling) {
  const auto pooled = at::empty({block.sequences, hidden.size(1)}, hidden.options());
  for (int64_t i = 0; i < block.sequences; ++i) {
    const int64_t start = batch.cu_seqlens[block.first_sequence + i];
    const int64_t length = batch.cu_seqlens[block.first_sequence + i + 1] - start;
    const auto rows = hidden.narrow(0, start - block.first_token, length);
    const auto target = pooled[i];
    if (pooling == Pooling::max) {
      target.copy_(rows.amax(0));
    } else {
      target.copy_(pooling == Pooling::mean ? rows.mean(0) : rows.sum(0));
    }
  }
  return pooled;
}

}  // namespace rank_distillm
