#include "train/training_batch.h"

namespace rank_distillm {

BatchRows::BatchRows(const TrainingBatch& batch) : packed(&batch.packed) {
  for (int64_t i = 0; i < packed->sequences(); ++i) {
    const uint32_t pair = batch.pairs[i];
    const int32_t length = packed->cu_seqlens[i + 1] - packed->cu_seqlens[i];
    for (int32_t t = 0; t < length; ++t) tokens.push_back({pair, static_cast<uint32_t>(t)});
    first.push_back({pair, 0});
  }
}

}  // namespace rank_distillm
