#include "train/training_batch.h"

namespace rank_distillm {

BatchRows::BatchRows(const TrainingBatch& batch)
    : packed(&batch.packed),
      block{0, batch.packed.sequences(), 0, static_cast<int64_t>(batch.packed.input_ids.size())} {
  for (int64_t i = 0; i < block.sequences; ++i) {
    const int64_t start = packed->cu_seqlens[i], length = packed->cu_seqlens[i + 1] - start;
    const uint32_t pair = batch.pairs[i];
    for (int64_t t = 0; t < length; ++t) tokens.push_back({pair, static_cast<uint32_t>(t)});
    first.push_back({pair, 0});
    all_queries.push_back({start, length, start, length, pair});
    first_query.push_back({i, 1, start, length, pair});
  }
}

}  // namespace rank_distillm
