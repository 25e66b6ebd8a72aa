#pragma once

#include <functional>
#include <vector>

#include "model/config.h"
#include "model/encoder.h"
#include "model/head.h"
#include "model/scoring_model.h"

namespace rank_distillm {

/// Encoder, pooling and head on the CPU. Immutable after construction.
class CrossEncoder : public ScoringModel {
 public:
  /// Throws `bad_input` naming a missing or wrongly shaped tensor.
  CrossEncoder(const ModelOptions& options, std::vector<TensorSource> tensors, Workers& workers);

  bool scores_in_blocks() const override { return true; }
  void check(const PackedBatch& batch) const override;
  void score_block(const std::vector<BatchPart>& parts, const std::function<void()>& between_layers) const override;

  ElementType precision() const override { return arithmetic_.products; }

 private:
  void score_all(const PackedBatch& batch, float* scores, const std::function<void()>& between_layers,
                 Counters& counters) const;

  CrossEncoder(const ModelOptions& options, Weights weights);

  ModelOptions options_;
  Arithmetic arithmetic_;
  Encoder encoder_;
  Head head_;
};

}  // namespace rank_distillm
