#pragma once

#include <cstdint>
#include <vector>

#include "core/packed_batch.h"
#include "ops/dropout.h"

namespace rank_distillm {

/// Pairs that go through the model together, with their numbers in the step's whole batch.
struct TrainingBatch {
  PackedBatch packed;
  std::vector<uint32_t> pairs;  // [sequences]
};

/// What the layers want to know about a batch, worked out once.
struct BatchRows {
  explicit BatchRows(const TrainingBatch& batch);

  const PackedBatch* packed;
  std::vector<RowId> tokens;  // [tokens]
  std::vector<RowId> first;   // [sequences]
};

/// The masks of one forward and its backward; rates 0 in evaluation.
struct DropoutRates {
  double hidden = 0;
  double attention = 0;
  double head = 0;
  uint32_t seed = 0;
  uint32_t step = 0;

  Dropout at(DropoutSite site, double rate, int64_t layer = 0) const {
    return {rate, seed, step, static_cast<uint32_t>(layer), site};
  }
};

}  // namespace rank_distillm
