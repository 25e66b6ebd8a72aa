#include "train/training_batch.h"

namespace rank_distillm {

BatchRows::BatchRows(const TrainingBatch& batch, int64_t first_position)
    : packed(&batch.packed),
      positions(token_positions(*packed, {0, packed->sequences(), 0, static_cast<int64_t>(packed->input_ids.size())},
                                first_position)) {
  for (int64_t i = 0; i < packed->sequences(); ++i) {
    const uint32_t pair = batch.pairs[i];
    const int32_t length = packed->cu_seqlens[i + 1] - packed->cu_seqlens[i];
    for (int32_t t = 0; t < length; ++t) tokens.push_back({pair, static_cast<uint32_t>(t)});
    first.push_back({pair, 0});
  }
}

}  // namespace rank_distillm
