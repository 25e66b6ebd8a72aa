#pragma once

#include <array>
#include <cstddef>
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

/// Numbers of a batch's rows that the layers need, computed once.
struct BatchRows {
  /// `first_position` as in EncoderConfig.
  explicit BatchRows(const TrainingBatch& batch, int64_t first_position = 0);

  const PackedBatch* packed;
  std::vector<RowId> tokens;       // [tokens]
  std::vector<RowId> first;        // [sequences]
  std::vector<int32_t> positions;  // [tokens], rows of the position table
};

/// The masks of one forward and its backward; rates 0 in evaluation.
struct DropoutRates {
  std::array<double, static_cast<size_t>(DropoutSite::count)> rates = {};  // by site
  uint32_t seed = 0;
  uint32_t step = 0;

  double& operator[](DropoutSite site) { return rates[static_cast<size_t>(site)]; }

  Dropout at(DropoutSite site, int64_t layer = 0) const {
    return {rates[static_cast<size_t>(site)], seed, step, static_cast<uint32_t>(layer), site};
  }
};

}  // namespace rank_distillm
