#include "ops/pooling.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>

#include "core/error.h"

namespace rank_distillm {

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

at::Tensor pool_backward(const at::Tensor& gradient, const at::Tensor& hidden, const PackedBatch& batch,
                         const Block& block, Pooling pooling) {
  const auto result = at::empty_like(hidden);
  for (int64_t i = 0; i < block.sequences; ++i) {
    const int64_t start = batch.cu_seqlens[block.first_sequence + i] - block.first_token;
    const int64_t length = batch.cu_seqlens[block.first_sequence + i + 1] - block.first_token - start;
    const auto target = result.narrow(0, start, length);
    const auto row = gradient.narrow(0, i, 1);
    switch (pooling) {
      case Pooling::mean:
        target.copy_(row.div(static_cast<double>(length)));
        break;
      case Pooling::sum:
        target.copy_(row);
        break;
      case Pooling::max: {
        const auto rows = hidden.narrow(0, start, length);
        const auto greatest = rows.eq(rows.amax(0, true)).to(at::kFloat);
        target.copy_(greatest.mul(row.div(greatest.sum(0, true))));
        break;
      }
      case Pooling::first:
        throw Error("native", "pooling `first` has no backward");
    }
  }
  return result;
}

}  // namespace rank_distillm
